"""What is kept of addresses, and what is forgotten first."""

from bridge.sources.http.memory import MAX_IDLE, Known, Memory
from bridge.sources.http.reply import Rules


def asked(value: str) -> tuple[tuple[str, str], ...]:
    """Return an address of one name."""
    return (("x", value),)


def memory(*left: str, at_most: int = 4) -> Memory:
    """Return one that knows these, whose listeners left in this order."""
    made = Memory(Rules(), at_most)
    for value in left:
        made.enter(asked(value))
    for value in left:
        made.leave(asked(value))
    return made


def values(known: "Memory | list[Known]") -> list[str]:
    """Return what tells addresses apart."""
    return [each.captures["x"] for each in known]


def test_an_address_is_known_across_the_times_when_nobody_listens():
    """As it was."""
    made = memory("a")
    known = made.enter(asked("a"))
    known.replies = 7
    made.leave(asked("a"))
    assert made.enter(asked("a")) is known
    assert made.get(asked("b")) is None


def test_those_whose_listeners_left_first_are_forgotten_first():
    """To be polled again makes one the youngest."""
    made = memory("a", "b", "c", "d")
    made.enter(asked("a"))
    made.leave(asked("a"))
    made.enter(asked("e"))
    assert values(made.leave(asked("e"))) == ["b"]
    assert values(made) == ["c", "d", "a", "e"]


def test_what_is_polled_is_never_forgotten():
    """However many they are."""
    made = memory(at_most=2)
    for value in "abcd":
        made.enter(asked(value))
    assert values(made.leave(asked("b"))) == ["b"]
    assert values(made.leave(asked("a"))) == ["a"]
    assert values(made.leave(asked("c"))) == []
    assert values(made) == ["d", "c"]


def test_large_replies_that_nobody_listens_to_are_not_kept_without_end():
    """Their bytes are bounded beside their number; those that are polled do not count here."""
    made = memory("a", "b")
    for value in "abc":
        made.enter(asked(value)).size = MAX_IDLE // 2 + 1
    assert made.leave(asked("a")) == []
    assert values(made.leave(asked("b"))) == ["a"]
    assert values(made) == ["c", "b"]
