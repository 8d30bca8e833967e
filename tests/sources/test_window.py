"""Answers that are remembered for a time."""

from bridge.sources.window import Window


def test_an_answer_is_remembered_for_its_time():
    """Counted from the first request; asking does not lengthen it."""
    now = [0.0]
    window = Window(300.0, lambda: now[0])
    window.put(("POST", "a"), "e-1")
    now[0] = 299.0
    assert window.get(("POST", "a")) == "e-1"
    now[0] = 300.0
    assert window.get(("POST", "a")) is None


def test_names_are_told_apart_by_their_parts():
    """However they would look when joined."""
    window = Window(1.0, lambda: 0.0)
    window.put(("a", "b"), "e-1")
    assert window.get(("a\0b",)) is None
    assert window.get(("ab", "")) is None
    assert window.get(("a', 'b",)) is None


def test_no_name_and_no_time_are_not_remembered():
    """A request without a key is always new."""
    window = Window(1.0, lambda: 0.0)
    window.put((), "e-1")
    assert window.get(()) is None
    off = Window(0.0, lambda: 0.0)
    off.put(("a",), "e-1")
    assert off.get(("a",)) is None


def test_the_window_is_bounded_by_its_ids():
    """The oldest answers go first, a batch weighs what it holds, and even an empty one weighs something."""
    window = Window(1.0, lambda: 0.0, limit=10)
    window.put(("batch",), [f"e-{n}" for n in range(9)])
    window.put(("a",), "e-9")
    assert window.get(("batch",)) is not None
    window.put(("b",), "e-10")
    assert window.get(("batch",)) is None
    for number in range(100):
        window.put((f"empty-{number}",), [])
    assert len(window._answers) == 10
    window.put(("large",), [f"e-{n}" for n in range(11)])
    assert not window._answers


def test_an_answer_put_again_counts_once():
    """Its weight is that of the newer one."""
    window = Window(1.0, lambda: 0.0, limit=4)
    for _ in range(3):
        window.put(("a",), ["e-1", "e-2"])
    window.put(("b",), ["e-3", "e-4"])
    assert window.get(("a",)) == ["e-1", "e-2"]


def test_old_answers_go_when_new_ones_come():
    """Memory is given back without a task that sweeps."""
    now = [0.0]
    window = Window(10.0, lambda: now[0])
    for number in range(100):
        window.put((str(number),), "e-1")
    now[0] = 11.0
    window.put(("new",), "e-2")
    assert len(window._answers) == 1


def test_what_is_remembered_outlives_another_time_for_it():
    """A longer time holds for what comes; a shorter one for what is there, too, and none for nothing."""
    now = [0.0]
    window = Window(10.0, lambda: now[0])
    window.put(("a",), "e-1")
    window.rebound(60.0)
    window.put(("b",), "e-2")
    now[0] = 9.0
    assert (window.get(("a",)), window.get(("b",))) == ("e-1", "e-2")
    window.rebound(5.0)
    now[0] = 13.0
    assert (window.get(("a",)), window.get(("b",))) == (None, "e-2")
    now[0] = 14.0
    assert window.get(("b",)) is None
    window.rebound(0.0)
    assert not window._answers
