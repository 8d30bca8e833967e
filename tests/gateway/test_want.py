"""What a subscriber asks for, from its headers and its query."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from bridge.gateway.want import MAX_LAST, wanted
from bridge.subscription import Want

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "query", "want"),
    [
        ({}, {}, Want()),
        ({"Last-Event-ID": "e-1"}, {}, Want(last_event_id="e-1")),
        ({}, {"last_event_id": "e-2"}, Want(last_event_id="e-2")),
        ({"Last-Event-ID": "e-1"}, {"last_event_id": "e-2"}, Want(last_event_id="e-1")),
        ({"Last-Event-ID": "e-1"}, {"since": "10m", "last": "5"}, Want(last_event_id="e-1")),
        ({}, {"last_event_id": "e-2", "since": "10m"}, Want(last_event_id="e-2")),
        ({"Last-Event-ID": ""}, {"last_event_id": "e-2"}, Want(last_event_id="e-2")),
        ({"Last-Event-ID": ""}, {}, Want()),
        ({"Last-Event-ID": "e-1"}, {"since": "not a time"}, Want(last_event_id="e-1")),
        ({}, {"since": "10m"}, Want(since=NOW - 600)),
        ({}, {"since": "2026-11-21T10:00:00Z"}, Want(since=1_795_255_200)),
        ({}, {"since": "2026-11-21T10:00:00"}, Want(since=1_795_255_200)),
        ({}, {"since": "2026-11-21T12:00:00+02:00"}, Want(since=1_795_255_200)),
        ({}, {"since": "2026-11-21T12:00:00 02:00"}, Want(since=1_795_255_200)),
        ({}, {"since": "2026-11-21"}, Want(since=1_795_219_200)),
        ({}, {"last": "0"}, Want(last=0)),
        ({}, {"last": str(MAX_LAST)}, Want(last=MAX_LAST)),
        ({}, {"since": "1h", "last": "7"}, Want(since=NOW - 3600)),
    ],
)
def test_the_header_beats_the_query_and_both_beat_a_time(headers, query, want):
    """One of them decides, and what it leaves unread is not even looked at."""
    assert wanted(headers, query, NOW) == want


@pytest.mark.parametrize("text", ["", "yesterday", "10", "-5m", "9" * 50 + "s", "2026-13-01"])
def test_a_time_that_cannot_be_read_is_refused_in_words(text):
    """No retry makes it better, so it is an error."""
    with pytest.raises(ValueError, match="since: expected a duration"):
        wanted({}, {"since": text}, NOW)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "ten", str(MAX_LAST + 1), "9" * 5_000, "٣", "²"])
def test_a_number_that_cannot_be_read_is_refused_in_words(text):
    """Digits of other scripts and numbers without end among them."""
    with pytest.raises(ValueError, match="last: expected a number of events"):
        wanted({}, {"last": text}, NOW)


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_is_a_want_or_refused_in_words(id, query, since, last):
    """Nothing else is raised, and no id ever is an error."""
    asked = {"last_event_id": query, "since": since, "last": last}
    if id or query:
        assert wanted({"Last-Event-ID": id}, asked, NOW) == Want(last_event_id=id or query)
        return
    with contextlib.suppress(ValueError):
        assert wanted({}, asked, NOW).last_event_id is None
