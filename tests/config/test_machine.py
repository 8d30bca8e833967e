"""What the machine allows."""

from pathlib import Path

import pytest

from bridge.config.machine import LEAST, MOST, default_memory

MIB = 1024**2


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("max\n", MOST),
        (f"{400 * MIB}\n", 100 * MIB),
        (f"{64 * 1024 * MIB}\n", MOST),
        ("1\n", LEAST),
        ("9223372036854771712\n", MOST),
    ],
)
def test_history_gets_a_quarter_of_the_container(text: str, memory: int, tmp_path: Path) -> None:
    """A quarter of the limit, within what is useful."""
    (tmp_path / "memory.max").write_text(text, "ascii")
    assert default_memory((tmp_path / "missing", tmp_path / "memory.max")) == memory


def test_without_a_container_the_default_holds(tmp_path: Path) -> None:
    """A machine that says nothing gets the most."""
    assert default_memory((tmp_path / "missing",)) == MOST
