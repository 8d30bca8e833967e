"""YAML that bites, and what is said of it."""

import pytest

from bridge.config import advice
from bridge.config.parse import parse
from bridge.config.problems import Problems
from bridge.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {b}.log\n", advice.BRACES),
        ("a:\n  - {b}/c\n", advice.BRACES),
        ("a: b: c\n", advice.COLON),
        ("a: b ? c : d\n", advice.COLON),
        ("a:\n\tb: 1\n", advice.TAB),
        ("a: b\n\tc: d\n", advice.TAB),
        ('a: "\\d"\n', advice.ESCAPE),
        ('a: "b\n', advice.UNCLOSED_QUOTE),
        ("a: [b\n", advice.UNCLOSED),
        ("a: { b: ${C} }\n", advice.VARIABLE),
        ("a: 'b'c'\n", advice.AFTER_QUOTE),
        ("a: *\n", advice.STAR),
        ("a: | b\n", advice.BLOCK),
        ("a: ? b\n", advice.QUESTION),
        ("a: ]\n", advice.BRACKETS),
        ("a: b\n  c: d\n", advice.INDENT),
        ("a:\n- b\n  c: d\n", advice.INDENT),
    ],
)
def test_says_what_to_write(text: str, said: str) -> None:
    """Each slip gets the advice that mends it."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "routes.yaml", {}, Problems())
    assert caught.value.problems[0].text.endswith(said)


@pytest.mark.parametrize("sign", ["@", "`", "%"])
def test_a_sign_that_begins_no_text_is_named(sign: str) -> None:
    """YAML keeps some signs for itself: the advice shows the quoted form."""
    with pytest.raises(ConfigError, match=f'needs quotes, for example "{sign}x"'):
        parse(f"a: {sign}b\n", "routes.yaml", {}, Problems())
