"""How a source is, from how its addresses are."""

from bridge.sources.sse.standing import Standing
from tests.tailing import Recorder


def test_one_address_that_is_up_is_enough():
    """Down are all, or none."""
    outlet = Recorder()
    standing = Standing(outlet)
    standing.enter("a")
    standing.enter("b")
    assert outlet.states == []
    standing.down("a", "a is gone")
    assert outlet.states == []
    standing.down("b", "b is gone")
    standing.up("a")
    standing.down("a", "a is gone again")
    assert outlet.states == ["b is gone", "up", "a is gone again"]


def test_the_last_one_that_is_well_makes_the_difference_when_it_leaves():
    """And the last of all makes none: nothing newer is known."""
    outlet = Recorder()
    standing = Standing(outlet)
    for each in "ab":
        standing.enter(each)
    standing.up("a")
    standing.down("b", "b is gone")
    standing.leave("a")
    assert outlet.states[-1] == "b is gone"
    standing.leave("b")
    assert outlet.states[-1] == "b is gone"
