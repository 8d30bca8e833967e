"""How long to wait between two connections."""

from bridge.sources.backoff import FIRST_DELAY, LONGEST_DELAY, STABLE_AFTER, Backoff


def test_waits_grow_to_a_bound():
    """Half of each is drawn."""
    most = Backoff(lambda _, high: high)
    assert [most.next(0.0) for _ in range(9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    least = Backoff(lambda low, _: low)
    assert [least.next(0.0) for _ in range(3)] == [0.25, 0.5, 1.0]


def test_a_stable_connection_forgets_the_failures_before_it():
    """One that is short does not."""
    backoff = Backoff(lambda _, high: high)
    for _ in range(10):
        backoff.next(0.0)
    assert backoff.next(STABLE_AFTER - 1) == LONGEST_DELAY
    assert backoff.next(STABLE_AFTER) == FIRST_DELAY
