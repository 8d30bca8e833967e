"""When an address is asked again."""

import math

import pytest
from hypothesis import given, strategies as st

from bridge.sources.http.polite import CRON_PERIOD, FIRST_DELAY, JITTER, LONGEST_DELAY, Polite, Turnstile, fresh_for
from bridge.sources.web.patience import LONGEST_WORD, retry_after

#: 2015-10-21T07:28:00Z, the moment in the examples of RFC 9110.
WALL = 1_445_412_480.0

waits = st.floats(0.1, 366 * 86_400.0)
drawn = st.floats(0, 1)


def polite(every: float = 10.0, at: float = 0.5) -> Polite:
    """Return one whose draws all fall at the same part of their range: 0.5 is the middle of it."""
    return Polite(every, lambda low, high: low + at * (high - low))


@pytest.mark.parametrize(
    ("cache_control", "age", "expected"),
    [
        ("", "", 0),
        ("max-age=60", "", 60),
        ("max-age=60", "20", 40),
        ("max-age=60", "61", 0),
        ("public, max-age=60, must-revalidate", "", 60),
        ("MAX-AGE=60", "", 60),
        ('max-age="60"', "", 60),
        ("max-age = 60", "", 60),
        ("max-age=60, max-age=5", "", 5),
        ("max-age=0060", "", 60),
        ("max-age=60", "garbage", 60),
        ("max-age=60", "-5", 60),
        ("max-age=60", "1.5", 60),
        ("max-age=86400", "", LONGEST_WORD),
        ("max-age=" + "9" * 5_000, "", LONGEST_WORD),
        ("max-age=" + "9" * 5_000, "9" * 5_000, 0),
        ("no-store, max-age=60", "", 0),
        ("No-Cache, max-age=60", "", 0),
        ("s-maxage=60", "", 0),
        ("x-max-age=60", "", 0),
        ("max-age=-60", "", 0),
        ("max-age=60s", "", 0),
        ("max-age=1.5", "", 0),
        ("max-age=", "", 0),
        ("max-age", "", 0),
        ("max-age=\u0661\u0662", "", 0),
        ('private="x, max-age=5, y", max-age=60', "", 60),
    ],
)
def test_a_reply_is_fresh_for_as_long_as_it_says(cache_control, age, expected):
    """Less what a cache between has used up of that."""
    assert fresh_for(cache_control, age) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("3601", LONGEST_WORD),
        ("1000000000", LONGEST_WORD),
        ("9" * 5_000, LONGEST_WORD),
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90),
        ("Wednesday, 21-Oct-15 07:29:30 GMT", 90),
        ("Wed Oct 21 07:29:30 2015", 90),
        ("Wed, 21 Oct 2015 09:29:30 +0200", 90),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0),
        ("Fri, 21 Oct 2115 07:29:30 GMT", LONGEST_WORD),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("120s", None),
        ("\u0661\u0662", None),
        ("Wed, 99 Oct 2015 07:29:30 GMT", None),
        ("Wed, 21 Oct 99999 07:29:30 GMT", None),
        ("Wed, 21 Oct 2015 07:29:30 " + "G" * 5_000, None),
    ],
)
def test_h10_retry_after_is_seconds_or_a_date_or_nothing(text, expected):
    """Garbage says nothing; a thousand million seconds are an hour."""
    assert retry_after(text, WALL) == expected


@given(st.text(max_size=60), st.text(max_size=20))
def test_h10_any_header_gives_a_bounded_wait(text, age):
    """Whatever a server sends there."""
    assert 0 <= (retry_after(text, WALL) or 0) <= LONGEST_WORD
    assert 0 <= fresh_for(text, age) <= LONGEST_WORD


@given(waits, st.floats(0, 1e6), st.floats(0, 1e6), drawn)
def test_two_polls_are_never_closer_than_nine_tenths_of_the_interval(every, started, took, at):
    """However the jitter falls and however long the first one took; and none is before now."""
    due = polite(every, at).slot(started, started + took)
    assert due >= started + took
    assert due - started >= every * (1 - JITTER) * (1 - 1e-9)


@given(waits, st.floats(0, 1e6), st.floats(0, 1e6), drawn)
def test_h30_a_slow_reply_takes_the_next_slot_and_no_burst_follows(every, started, took, at):
    """It is at most one interval and the jitter away."""
    now = started + took
    assert polite(every, at).slot(started, now) - now <= every * (1 + JITTER) * (1 + 1e-9)


def test_an_interval_is_jittered_around_its_length():
    """A tenth of it to each side."""
    assert [polite(10, at).slot(100, 100) for at in (0, 0.5, 1)] == [109, 110, 111]
    assert polite(10).slot(100, 134) == 140


def test_without_an_interval_the_cron_line_gives_the_slot():
    """So nothing is added here."""
    assert polite(0).slot(100, 134) == 134


def test_what_is_fresh_is_asked_for_a_little_after_it_is_stale():
    """By a tenth of the interval at most."""
    assert [polite(10, at).stale(100, 60) for at in (0, 1)] == [160, 161]
    assert polite(10, 1).stale(100, 0) == 100
    assert polite(0, 1).stale(100, 60) == 160 + JITTER


def test_h12_failures_double_the_wait_up_to_five_minutes():
    """From the interval, or a second where that is shorter."""
    waits_of = [polite(10).again(0, failures, None) for failures in range(1, 9)]
    assert waits_of == [10, 20, 40, 80, 160, 300, 300, 300]
    assert [polite(0.1).again(0, failures, None) for failures in (1, 2, 3)] == [FIRST_DELAY, 2, 4]
    assert polite(0).again(0, 1, None) == FIRST_DELAY
    assert polite(0.1).again(0, 10**9, None) == LONGEST_DELAY
    assert polite(600).again(0, 5, None) == 600
    assert [polite(10, at).again(0, 2, None) for at in (0, 1)] == pytest.approx([18, 22])


def test_h09_h11_what_a_server_asks_for_is_kept_to():
    """Not a moment less, and never less than between two polls that work."""
    assert [polite(10, at).again(100, 3, 60) for at in (0, 1)] == pytest.approx([160, 166])
    assert polite(10, 0).again(100, 3, 0) == 110
    assert polite(0.1, 0).again(100, 3, 0) == 100 + FIRST_DELAY


@given(waits, st.integers(1, 10**6), st.none() | st.floats(0, LONGEST_WORD), drawn)
def test_every_wait_after_a_failure_is_bounded(every, failures, asked, at):
    """From both sides."""
    wait = polite(every, at).again(0, failures, asked)
    assert every * (1 - JITTER) <= wait * (1 + 1e-9)
    assert wait <= max(every, LONGEST_WORD) * (1 + JITTER) * (1 + 1e-9)
    assert math.isfinite(wait)


def test_a_full_house_is_let_in_at_once_and_then_as_many_in_each_interval():
    """Who asks for one value after another gets them no faster than that."""
    turnstile = Turnstile(10, 5.0)
    assert [turnstile.wait(0) for _ in range(10)] == [0.0] * 10
    assert turnstile.wait(0) == pytest.approx(0.5)
    assert turnstile.wait(0.4) == pytest.approx(0.1)
    assert turnstile.wait(0.5) == 0
    assert turnstile.wait(0.5) == pytest.approx(0.5)
    now, let_in = 0.5, 0
    while now < 50.5:
        wait = turnstile.wait(now)
        let_in += not wait
        now += wait
    assert let_in == pytest.approx(100, abs=1)
    assert [turnstile.wait(1_000) for _ in range(11)].count(0) == 10


@pytest.mark.parametrize(("every", "period"), [(0.1, FIRST_DELAY), (0, CRON_PERIOD)])
def test_a_short_interval_counts_as_a_second_and_a_cron_line_as_a_minute(every, period):
    """A burst in each of them."""
    turnstile = Turnstile(1, every)
    assert turnstile.wait(0) == 0
    assert turnstile.wait(0) == period
