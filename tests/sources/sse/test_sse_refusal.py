"""Why an answer is no event stream."""

import pytest

from bridge.sources.sse.refusal import FOR_A_LOOP, FOR_A_PERSON, refusal, told


@pytest.mark.parametrize(
    "type", ["text/event-stream", "TEXT/Event-Stream", "text/event-stream;charset=utf-8", " text/event-stream ; x"]
)
def test_a_stream_is_told_by_its_media_type(type):
    """Parameters and case do not count (HTML, section 9.2.2)."""
    assert refusal(200, type, "host") is None


@pytest.mark.parametrize(
    ("status", "type", "words", "wait"),
    [
        (200, "text/html; charset=utf-8", "host answers with text/html, and not with text/event-stream", 0.0),
        (200, "", "no content type", 0.0),
        (200, "text/event-streams", "text/event-streams", 0.0),
        (206, "text/event-stream", "host answers 206", 0.0),
        (301, "text/event-stream", "host answers 301", 0.0),
        (401, "", "other credentials", FOR_A_PERSON),
        (403, "", "does not let us", FOR_A_PERSON),
        (404, "text/event-stream", "nothing is there", FOR_A_PERSON),
        (500, "text/event-stream", "host answers 500", 0.0),
        (503, "", "overloaded", 0.0),
        (508, "", "leads back to this bridge", FOR_A_LOOP),
        (599, "", "host answers 599", 0.0),
    ],
)
def test_anything_else_is_told_in_words(status, type, words, wait):
    """And what needs a person is asked for seldom."""
    found = refusal(status, type, "host")
    assert found is not None
    assert words in found.words
    assert found.wait == wait


def test_what_somebody_else_wrote_is_told_with_care():
    """No line break, no escape, no more than a line."""
    assert told("a\x1b[31m\u202e\nb") == "a?[31m??b"
    assert len(told("x" * 10_000)) < 100
