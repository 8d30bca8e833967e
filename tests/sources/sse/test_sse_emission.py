"""What an upstream says, as messages and losses."""

import pytest

from bridge.event import Loss, Message
from bridge.sources.sse.decoder import Heard, Oversized
from bridge.sources.sse.emission import Emission
from bridge.sources.sse.memory import Cursor
from tests.tailing import Recorder

SUBJECT = "http://upstream/events"


def take(*found: Heard | Oversized, id: str = "") -> Recorder:
    """Hand over what has come on one connection that was resumed after an id."""
    outlet = Recorder()
    Emission(outlet, Cursor(id=id), SUBJECT, {"city": "oslo"}).take(found, 5.0)
    return outlet


def test_an_event_is_a_message_with_the_facts_of_its_stream():
    """The id is the upstream's; the bridge gives one of its own."""
    [message] = take(Heard("price", b"21.5", "7")).messages
    assert message == Message(
        payload=b"21.5",
        time=5.0,
        subject=SUBJECT,
        captures={"city": "oslo"},
        facts={"event": "price", "id": "7"},
        type="price",
    )


def test_an_event_without_a_name_is_a_message_event():
    """So the standard calls it; it is passed on without a name, and without an id where it has none."""
    [message] = take(Heard("", b"x", "")).messages
    assert (message.type, message.facts) == ("", {"event": "message"})


@pytest.mark.parametrize("name", ["error", "open", "bridge.other", "a b", "é", "9lives", "a" * 65, "a\0", "x:y"])
def test_a_name_that_may_not_be_sent_is_a_fact(name):
    """The event goes on without it."""
    [message] = take(Heard(name, b"x", "")).messages
    assert (message.type, message.facts["event"]) == ("", name)


def test_what_came_together_is_handed_over_together(monkeypatch):
    """Only a loss parts it, since that has its place between."""
    batches: list[int] = []
    monkeypatch.setattr(Recorder, "emit", lambda _, messages: batches.append(len(messages)) or ())
    take(Heard("", b"1", ""), Heard("", b"2", ""), Oversized(""), Heard("", b"3", ""))
    assert batches == [2, 1]


def test_the_cursor_follows_what_was_handed_over():
    """What is oversized counts as well: it would be sent again."""
    cursor = Cursor()
    emission = Emission(Recorder(), cursor, SUBJECT, {})
    emission.take([Heard("", b"1", "1"), Oversized("2")], 5.0)
    assert cursor.id == "2"
    assert emission.events == 1
    emission.take([], 5.0)
    assert cursor.id == "2"


def test_an_event_that_is_too_large_is_one_loss():
    """For the channels of this address."""
    assert take(Oversized("")).heard == [Loss(reason="oversize", missed=1, captures={"city": "oslo"})]


@pytest.mark.parametrize(
    ("data", "reason", "missed"),
    [
        (b'{"reason":"slow","missed":3,"from":"e-1","to":null,"snapshot":false}', "slow", 3),
        (b'{"reason":"epoch","missed":null}', "epoch", None),
        (b'{"reason":"oversize","missed":0}', "oversize", 0),
        (b'{"reason":"slow","missed":-1}', "slow", None),
        (b'{"reason":"of a later version","missed":3}', "source_reset", None),
        (b'{"reason":["slow"]}', "source_reset", None),
        (b'{"reason":"slow","missed":1e400}', "source_reset", None),
        (b"[" * 100_000, "source_reset", None),
        (b'{"reason":"slow","x":' + b"[" * 100_000, "source_reset", None),
        (b"\xff", "source_reset", None),
        (b"", "source_reset", None),
    ],
)
def test_s10_a_gap_of_another_bridge_is_a_loss_of_ours(data, reason, missed):
    """One that cannot be read is one all the same."""
    assert take(Heard("bridge.gap", data, "")).heard == [Loss(reason=reason, missed=missed, captures={"city": "oslo"})]


@pytest.mark.parametrize("name", ["heartbeat", "source", "auth", "bye"])
def test_what_another_bridge_says_of_itself_is_no_event(name):
    """The id of the event before it stays."""
    outlet = take(Heard("", b"1", "7"), Heard(f"bridge.{name}", b"{}", "7"))
    assert outlet.texts == [b"1"]


def test_a_goodbye_is_a_plan():
    """Nothing is wrong with an end that was told."""
    emission = Emission(Recorder(), Cursor(), SUBJECT, {})
    assert not emission.is_planned
    emission.take([Heard("bridge.bye", b'{"reason":"drain"}', "")], 5.0)
    assert emission.is_planned


@pytest.mark.parametrize(
    ("resumed", "ids", "said"),
    [
        ("100", ["1", "2"], ["<reset>", "1", "2"]),
        ("100", ["100", "1"], ["100", "<reset>", "1"]),
        ("100", ["101", "1"], ["101", "1"]),
        ("100", ["100", "101"], ["100", "101"]),
        ("100", ["", "1"], ["", "1"]),
        ("e-100", ["e-1"], ["e-1"]),
        ("", ["1"], ["1"]),
        ("9" * 30, ["1"], ["1"]),
        ("\N{ARABIC-INDIC DIGIT TWO}", ["1"], ["1"]),
    ],
)
def test_s15_ids_that_count_anew_after_a_resume_are_a_reset(resumed, ids, said):
    """The upstream knows nothing of the id that it was to go on after. Ids that are no numbers are trusted."""
    outlet = take(*(Heard("", id.encode(), id) for id in ids), id=resumed)
    assert [
        "<reset>" if isinstance(each, Loss) else str(each.payload, "utf-8")  # type: ignore[arg-type]
        for each in outlet.heard
    ] == said
    assert [loss.reason for loss in outlet.losses] == ["source_reset"] * len(outlet.losses)
