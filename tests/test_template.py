"""Texts with holes: how they are read, what they match, and when two of them clash."""

import itertools
import string

import pytest
from hypothesis import assume, example, given, strategies as st

from bridge.errors import TemplateError
from bridge.template import MAX_NAMES, Template, overlap
from tests.strategies import paths, templates

# -- reading


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("a/{", 2, "a lone '{'"),
        ("a}b", 1, "a lone '}'"),
        ("{a", 0, "a lone '{'"),
        ("{{{a}}", 5, "a lone '}'"),
        ("x/{}", 2, "a hole holds one name"),
        ("x/{1a}", 2, "a hole holds one name"),
        ("x/{a b}", 2, "a hole holds one name"),
        ("x/{a/b}", 2, "a hole holds one name"),
        ("x/{a**}", 2, "a hole holds one name"),
        ("x/{é}", 2, "a hole holds one name"),
        ("x/{" + "a" * 65 + "}", 2, "a hole holds one name"),
        ("{a}{b}", 3, "two holes touch"),
        ("{a}/{a}", 4, "the name 'a' stands twice"),
        ("{a}-{rest*}", 4, "no other hole"),
        ("{rest*}-{a}", 8, "no other hole"),
        ("{a*}/x/{b*}", 7, "one takes the rest already"),
        ("/".join(f"{{n{i}}}" for i in range(MAX_NAMES + 1)), 5 * 10 + 6 * 6, f"more than {MAX_NAMES} names"),
    ],
)
def test_what_is_wrong_is_told_with_its_column(text, column, said):
    """Counted from 0, at the brace that is wrong."""
    with pytest.raises(TemplateError, match=said) as caught:
        Template.parse(text)
    assert caught.value.column == column


def test_a_rest_is_refused_where_there_is_no_path():
    """An event's name has no segments of which it could take the rest."""
    with pytest.raises(TemplateError, match="this is no path") as caught:
        Template.parse("order.{rest*}", rest=False)
    assert caught.value.column == 6
    assert Template.parse("order.{rest}", rest=False).names == ("rest",)


def test_doubled_braces_are_braces():
    """In a literal, and beside a hole."""
    template = Template.parse("{{{a}}}-{{b}}")
    assert template.names == ("a",)
    assert template.match("{7}-{b}") == {"a": "7"}
    assert template.fill({"a": 7}) == "{7}-{b}"
    assert Template.parse("{{a}}").is_literal


@given(st.text("{}a*/", max_size=12))
def test_any_text_is_read_or_refused_within_it(text):
    """Nothing else is raised, and the column lies in the text."""
    column = 0
    try:
        template = Template.parse(text)
    except TemplateError as error:
        column = error.column
    else:
        assert template.text == text
        assert len(template.segments) == text.count("/") + 1
    assert 0 <= column < max(len(text), 1)


def test_what_a_template_tells_of_itself():
    """Its names in order, its literal beginning, and the kinds of its segments."""
    template = Template.parse("/plants/p-{plant}/x/{file}.log")
    assert template.names == ("plant", "file")
    assert template.prefix == "/plants/p-"
    assert template.specificity == (0, 0, 1, 0, 1)
    assert not template.is_literal
    assert Template.parse("a/b").prefix == "a/b"
    assert Template.parse("{a}").prefix == ""
    assert Template.parse("").specificity == (0,)


# -- matching


@pytest.mark.parametrize(
    ("template", "text", "expected"),
    [
        ("a/{b}/c", "a/x/c", {"b": "x"}),
        ("a/{b}/c", "a/x/y/c", None),
        ("a/{b}", "a/", None),
        ("a/{b}", "a", None),
        ("a", "a", {}),
        ("a", "ab", None),
        ("", "", {}),
        ("{a}", "", None),
        ("{a}-{b}", "1-2-3", {"a": "1", "b": "2-3"}),
        ("{a}-{b}", "--x", {"a": "-", "b": "x"}),
        ("{a}-{b}", "-x", None),
        ("{a}-{b}", "x-", None),
        ("{a}-{b}", "x", None),
        ("{a}-{b}.log", "x-y.log.log", {"a": "x", "b": "y.log"}),
        ("ab{a}ba", "aba", None),
        ("ab{a}ba", "abba", None),
        ("ab{a}ba", "abxba", {"a": "x"}),
        ("{a}--{b}-{c}", "1---2-3", {"a": "1", "b": "-2", "c": "3"}),
        ("logs/{path*}", "logs/a/b.log", {"path": "a/b.log"}),
        ("logs/{path*}", "logs/a", {"path": "a"}),
        ("logs/{path*}", "logs/", None),
        ("logs/{path*}", "logs", None),
        ("logs/{path*}.log", "logs/a/b.log", {"path": "a/b"}),
        ("logs/{path*}.log", "logs/a/.log", {"path": "a/"}),
        ("logs/{path*}/end/{x}", "logs/a/end/b/end/c", {"path": "a/end/b", "x": "c"}),
        ("logs/{path*}/end", "logs/end", None),
        ("{path*}", "/", {"path": "/"}),
    ],
)
def test_a_text_matches_as_a_whole(template, text, expected):
    """Holes are never empty, a name stays in its segment, a rest may leave it."""
    assert Template.parse(template).match(text) == expected


def every_match(template: Template, text: str) -> list[dict[str, str]]:
    """Find all ways to fill the holes that give the text, by trying every part of it for every hole."""
    parts = {text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)}
    rests = {hole.name for segment in template.segments for hole in segment.holes if hole.is_rest}
    choices = [[part for part in parts if name in rests or "/" not in part] for name in template.names]
    filled = (dict(zip(template.names, chosen, strict=True)) for chosen in itertools.product(*choices))
    return [values for values in filled if template.fill(values) == text]


@given(templates(), st.text("ab/", max_size=7))
@example("{a}a{b}/{rest*}b", "aaaa/bb/b")
def test_a_match_is_the_shortest_of_all_there_are(template, text):
    """Compared with trying everything: found if there is any, and each hole in turn takes as little as it can."""
    parsed = Template.parse(template)
    assume(len(parsed.names) <= 3)
    every = every_match(parsed, text)
    found = parsed.match(text)
    assert (found is not None) == bool(every)
    if found is not None:
        assert found == min(every, key=lambda values: [len(values[name]) for name in parsed.names])


@given(templates(), st.data())
def test_what_was_filled_in_matches(template, data):
    """A filled text matches, and filling in what it gives yields the text again."""
    parsed = Template.parse(template)
    values = {name: data.draw(st.text("abx", min_size=1, max_size=3)) for name in parsed.names}
    text = parsed.fill(values)
    found = parsed.match(text)
    assert found is not None
    assert parsed.fill(found) == text
    assert text.startswith(parsed.prefix)


def test_filling_takes_numbers_and_misses_no_name():
    """Values are written as they print; one that is not there is a `KeyError`."""
    template = Template.parse("{a}/{b}.{c}")
    assert template.fill({"a": "x", "b": 7, "c": 1.5}) == "x/7.1.5"
    with pytest.raises(KeyError):
        template.fill({"a": "x"})


class Counted(str):
    """A text that counts how much of it is searched."""

    __slots__ = ("searched",)

    def find(self, sub: str, start: int = 0, end: int | None = None) -> int:
        """Search, and count the characters that were passed."""
        end = len(self) if end is None else end
        found = super().find(sub, start, end)
        self.searched = getattr(self, "searched", 0) + (found if found >= 0 else end) - start + len(sub)
        return found


@pytest.mark.parametrize("size", [1_000, 100_000])
@pytest.mark.parametrize("text", ["a", "ab", "a-", "-"])
def test_matching_reads_a_hostile_text_once(text, size):
    """Sixteen holes and a text made to send a regular expression back and forth: each character is passed once."""
    holes = "-".join(f"{{n{i}}}" for i in range(MAX_NAMES))
    segment = Template.parse(f"a{holes}!").segments[0]
    hostile = Counted("a" + text * (size // len(text)) + "!")
    segment.match(hostile, {})
    assert getattr(hostile, "searched", 0) <= len(hostile) + 2 * MAX_NAMES


# -- which of two wins, and when neither does


def test_a_literal_beats_a_name_beats_a_rest():
    """Segment by segment, from the left."""
    texts = ["/a/b", "/a/{x}", "/a/{x*}", "/{x}/b", "/{x}/{y}", "/{x*}"]
    assert sorted(set(texts), key=lambda text: Template.parse(text).specificity) == texts


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("/{a}", "/{b}", True),
        ("/a", "/a", True),
        ("/a", "/b", False),
        ("/a", "/{b}", False),  # the literal is more specific
        ("/{a}", "/{b*}", False),
        ("/a{x}", "/{x}b", True),
        ("/a{x}", "/b{x}", False),
        ("/{x}a", "/{x}b", False),
        ("/{x}-1-{y}", "/{x}-2-{y}", True),
        ("/{x}/a", "/{x}/b", False),
        ("/{x}/a", "/a/{x}", False),  # the second is more specific in its first segment
        ("/{p*}", "/{q*}/x", True),
        ("/{p*}b", "/{q*}/x{r}", True),
        ("/{p*}b", "/{q*}/x{r}c{s}", True),
        ("/{p*}b", "/{q*}/a", False),
        ("/b{p*}", "/a{q*}/x", False),
        ("/b{p*}/{s}", "/{q*}/{r}/e", True),
        ("/b{p*}/e", "/{q*}/{r}/e", False),
        ("/{p*}/e", "/{q*}/e/f", False),
        ("/{a}", "/{a}/{b}", False),
        ("/a", "/a/{b*}", False),
    ],
)
def test_two_templates_clash_or_do_not(a, b, expected):
    """Whichever comes first."""
    one, other = Template.parse(a), Template.parse(b)
    assert (overlap(one, other) is not None) is expected
    assert (overlap(other, one) is not None) is expected


@given(templates(), templates())
def test_a_clash_is_shown_with_a_text_that_both_match(a, b):
    """So the reader of the error can try it."""
    one, other = Template.parse(a), Template.parse(b)
    text = overlap(one, other)
    if text is not None:
        assert one.match(text) is not None
        assert other.match(text) is not None
        assert overlap(other, one) is not None


def are_ordered(one: Template, other: Template) -> bool:
    """Tell whether some segment of one is of another kind than the other's."""
    return any(a != b for a, b in zip(one.specificity, other.specificity, strict=False))


@given(templates(), templates(), paths)
@example("{r*}b", "{q*}/x{n}c{m}", "q/xxcxb")
@example("a{r*}/{n}", "{q*}/{n}/b", "a/a/b")
def test_no_clash_is_missed(a, b, path):
    """Two that match one text, neither more specific, have a clash to show; for texts that each of them makes, too."""
    one, other = Template.parse(a), Template.parse(b)
    if are_ordered(one, other):
        assert overlap(one, other) is None
        return
    filled = [template.fill(dict.fromkeys(template.names, hole)) for template in (one, other) for hole in "abx"]
    for text in (path, *filled):
        if one.match(text) is not None and other.match(text) is not None:
            assert overlap(one, other) is not None


@given(st.lists(templates(), min_size=2, max_size=4, unique=True), paths)
def test_what_does_not_clash_has_one_winner(texts, path):
    """Of the templates that match a path, one is the most specific, unless two of them clash."""
    parsed = [Template.parse(text) for text in texts]
    matching = [template for template in parsed if template.match(path) is not None]
    if any(overlap(a, b) is not None for a, b in itertools.combinations(matching, 2)):
        return
    keys = [template.specificity for template in matching]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("sign", sorted({*string.printable} - {*"*"}))
def test_every_ascii_name_is_a_name(sign):
    """Letters, digits and underscore after the first, and nothing else."""
    text = f"{{a{sign}}}"
    if sign.isalnum() or sign == "_":
        assert Template.parse(text).names == (f"a{sign}",)
    else:
        with pytest.raises(TemplateError):
            Template.parse(text)
