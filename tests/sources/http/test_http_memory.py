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


def test_an_address_that_failed_is_left_alone_although_it_was_forgotten():
    """Who asks for one value after another must not cut short what a server asked for; what worked begins anew."""
    made = memory("a", "b")
    for value, failures in (("a", 3), ("b", 0)):
        known = made.enter(asked(value))
        known.due, known.failures = 3_600.0, failures
        made.leave(asked(value))
    for value in "cdefg":
        made.enter(asked(value))
        made.leave(asked(value))
    assert made.get(asked("a")) is made.get(asked("b")) is None
    again = [made.enter(asked(value)) for value in "ab"]
    assert [(known.due, known.failures) for known in again] == [(3_600.0, 3), (0.0, 0)]


def test_what_is_remembered_of_forgotten_failures_is_bounded(monkeypatch):
    """The oldest goes first."""
    monkeypatch.setattr("bridge.sources.http.memory.MAX_RESTING", 2)
    made = Memory(Rules(), 0)
    for value in "abc":
        known = made.enter(asked(value))
        known.due, known.failures = 9.0, 1
        made.leave(asked(value))
    assert [made.enter(asked(value)).due for value in "abc"] == [0.0, 9.0, 9.0]
