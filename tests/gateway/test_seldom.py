"""A fault that repeats is said seldom."""

from bridge.gateway.seldom import PAUSE, Seldom


def test_line_for_each_cause_and_pause() -> None:
    """Those kept quiet are counted, and told with the next line."""
    now = 0.0
    seldom = Seldom(lambda: now)
    assert seldom.withheld("full") == 0
    assert [seldom.withheld("full") for _ in range(3)] == [None] * 3
    assert seldom.withheld("starved") == 0
    now = PAUSE
    assert seldom.withheld("full") == 3
    assert seldom.withheld("full") is None
    now = 2 * PAUSE
    assert seldom.withheld("full") == 1
