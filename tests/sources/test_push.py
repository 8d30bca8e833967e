"""The push source: what a request becomes, who may send it, and what a repetition gets."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from bridge.errors import PushError
from bridge.event import Loss, Message
from bridge.secret import Secret
from bridge.sources.base import Place
from bridge.sources.push import Door, Push
from bridge.sources.schedule import Clock

NDJSON = {"content-type": "application/x-ndjson"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created"}


class Recorder:
    """An outlet that keeps what it is given, and fails when told to."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.batches = 0
        self.states: list[str] = []
        self.fails = False

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep the messages; number them."""
        if self.fails:
            raise OSError("the disk is full")
        self.batches += 1
        self.heard += messages
        last = len(self.heard)
        return [f"e-{n}" for n in range(last - len(messages) + 1, last + 1)]

    def lose(self, loss: Loss) -> None:
        """Never called: a push loses nothing."""
        raise AssertionError(loss)

    def up(self) -> None:
        """Keep the state."""
        self.states.append("up")

    def down(self, reason: str) -> None:
        """Never called."""
        raise AssertionError(reason)

    def subscribers(self) -> int:
        """Count nobody."""
        return 0


class Sender:
    """Sends requests to a door."""

    def __init__(self, **fields: object) -> None:
        self.recorder = Recorder()
        self.now = 0.0
        clock = Clock(lambda: 1_000.0 + self.now, lambda: self.now, asyncio.sleep)
        self.door: Door = Push.model_validate(fields).door(self.recorder, clock)

    def send(
        self,
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        *,
        method: str = "POST",
        subject: str = "",
    ) -> str | list[str]:
        """Send one request."""
        data = body.encode() if isinstance(body, str) else body
        return self.door.receive(method, headers or {}, query or {}, subject, data)

    def refusal(self, *args: object, **options: object) -> tuple[int, str]:
        """Send a request that is refused; return status and reason."""
        with pytest.raises(PushError) as caught:
            self.send(*args, **options)  # type: ignore[arg-type]
        return caught.value.status, caught.value.reason

    @property
    def heard(self) -> list[Message]:
        """Return what was published."""
        return self.recorder.heard


def test_a_post_is_a_message():
    """With all that its request said of it."""
    sender = Sender(subject="users/{user}", headers=["x-region"])
    headers = {"content-type": "text/plain", "event": "notice", "key": "k1", "x-region": "eu", "x-other": "no"}
    assert sender.send("hello", headers, subject="users/ann") == "e-1"
    assert sender.heard == [
        Message(
            payload="hello",
            time=1_000.0,
            subject="users/ann",
            captures={"user": "ann"},
            headers={"x-region": "eu"},
            type="notice",
            key="k1",
            content_type="text/plain",
        )
    ]


def test_an_empty_body_is_an_event_with_empty_data():
    """Somebody rang; nothing more is said."""
    sender = Sender()
    sender.send()
    assert (sender.heard[0].payload, sender.heard[0].is_tombstone) == ("", False)


def test_a_delete_is_a_tombstone():
    """Its address, or its key, says of what."""
    sender = Sender(subject="prices/{city}")
    assert sender.send(method="DELETE", subject="prices/oslo", query={"key": "p1"}) == "e-1"
    message = sender.heard[0]
    assert (message.is_tombstone, message.captures, message.key) == (True, {"city": "oslo"}, "p1")
    assert sender.refusal("x", method="DELETE", subject="prices/oslo")[0] == 400


def test_json_lines_are_published_in_one_batch():
    """And answered with an id each, also where there is only one, or none."""
    sender = Sender()
    assert sender.send('{"a":1}\nnull\n3', NDJSON) == ["e-1", "e-2", "e-3"]
    assert [message.is_tombstone for message in sender.heard] == [False, True, False]
    assert sender.recorder.batches == 1
    assert sender.send("4", NDJSON) == ["e-4"]
    assert sender.send("", NDJSON) == []
    assert sender.recorder.batches == 2


def test_a_bad_line_publishes_nothing():
    """A batch is taken whole or not at all."""
    sender = Sender()
    assert sender.refusal('{"a":1}\n{', NDJSON)[0] == 400
    assert sender.heard == []


def test_the_query_wins_over_the_header():
    """And both over what the body says."""
    sender = Sender()
    headers = {"content-type": "application/cloudevents+json", "event": "from-header"}
    body = json.dumps(EVENT | {"partitionkey": "k0"})
    sender.send(body, headers, {"event": "from-query", "key": "k1"})
    assert (sender.heard[0].type, sender.heard[0].key) == ("from-query", "k1")


def test_a_cloudevent_is_a_message():
    """Its type is the event's name, its subject the subject, its time the time."""
    sender = Sender(subject="users/{user}", headers=["x-region"])
    body = json.dumps(
        EVENT | {"subject": "users/bob", "time": "1970-01-01T00:01:00Z", "data": {"a": 1}, "tier": "gold"}
    )
    sender.send(body, {"content-type": "application/cloudevents+json", "x-region": "eu"})
    message = sender.heard[0]
    assert (message.payload, message.type, message.subject) == ('{"a": 1}', "order.created", "users/bob")
    assert (message.time, message.captures) == (60.0, {"user": "bob"})
    assert message.headers == {"tier": "gold", "x-region": "eu"}


def test_the_subject_of_the_address_wins():
    """Where the door was opened for one subject, the body cannot name another."""
    sender = Sender(subject="users/{user}")
    body = json.dumps(EVENT | {"subject": "users/bob"})
    sender.send(body, {"content-type": "application/cloudevents+json"}, subject="users/ann")
    assert sender.heard[0].captures == {"user": "ann"}


def test_binary_mode_is_known_by_its_header():
    """Whatever the type of its body."""
    sender = Sender()
    sender.send("hi", {"content-type": "text/plain"} | {f"ce-{name}": value for name, value in EVENT.items()})
    assert (sender.heard[0].payload, sender.heard[0].type) == ("hi", "order.created")


def test_without_a_template_any_subject_is_taken():
    """None as well; its name is `subject`."""
    sender = Sender()
    for subject in ("", "a", "a/b/c"):
        sender.send("x", subject=subject)
    assert [message.captures for message in sender.heard] == [{"subject": ""}, {"subject": "a"}, {"subject": "a/b/c"}]
    assert Push().names() == {"subject"}
    assert Push(subject="a/{b}/{c*}").names() == {"b", "c"}


@pytest.mark.parametrize("subject", ["users", "users/", "users/ann/x", "ann"])
def test_a_subject_that_does_not_fit_is_refused(subject):
    """Before the body is read, with the form that would."""
    sender = Sender(subject="users/{user}")
    with pytest.raises(PushError, match=re.escape("users/{user}")) as caught:
        sender.door.admit({}, subject)
    assert caught.value.status == 404
    assert sender.refusal("x")[0] == 404


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"evnt": "x"}, {}, 400),
        ({"event": "a b"}, {}, 422),
        ({"event": "error"}, {}, 422),
        ({}, {"event": "open"}, 422),
        ({}, {"event": "bridge.gap"}, 422),
        ({"event": "a\r\nid: 5"}, {}, 422),
        ({"event": "a\nb"}, {}, 422),
        ({"event": "a\x00"}, {}, 422),
        ({"event": "x" * 65}, {}, 422),
        ({"event": "é"}, {}, 422),
        ({"id": "a\r\nb"}, {}, 422),
        ({"id": "a\x00"}, {}, 422),
        ({}, {"idempotency-key": "\udcff"}, 422),
        ({"id": "x" * 257}, {}, 422),
        ({"key": "a\nb"}, {}, 422),
    ],
)
def test_p10_bad_facts_are_refused(query, headers, status):
    """Names that EventSource cannot have, line ends, NUL, and parameters that nobody knows."""
    sender = Sender()
    assert sender.refusal("x", headers, query)[0] == status
    assert sender.heard == []


@pytest.mark.parametrize("subject", ["a\nb", "a\x00", "\udcff", "x" * 1_025])
def test_p10_a_bad_subject_is_refused(subject):
    """It becomes the name of a channel."""
    assert Sender().refusal("x", subject=subject)[0] == 422


def test_p10_a_type_that_cannot_name_an_event_needs_a_name():
    """CloudEvents allow what EventSource does not."""
    sender = Sender()
    headers = {"content-type": "application/cloudevents+json"}
    body = json.dumps(EVENT | {"type": "com.example/order created"})
    status, reason = sender.refusal(body, headers)
    assert status == 422
    assert "?event=" in reason
    assert sender.send(body, headers, {"event": "order"}) == "e-1"


def test_p10_a_key_in_a_cloudevent_is_checked():
    """As one in a header is."""
    body = json.dumps(EVENT | {"partitionkey": "x" * 257})
    assert Sender().refusal(body, {"content-type": "application/cloudevents+json"})[0] == 422


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic s3cret",
        "s3cret",
        "Bearer s3cret, Bearer s3cret",
        "Bearer \udcff",
    ],
)
def test_p09_a_missing_or_wrong_token_is_refused(given):
    """Before the body is read, without a word of the right one."""
    sender = Sender(token=Secret("s3cret"))
    headers = {"authorization": given} if given else {}
    with pytest.raises(PushError) as caught:
        sender.door.admit(headers, "")
    assert caught.value.status == 401
    assert "s3cret" not in caught.value.reason
    assert sender.refusal("x", headers)[0] == 401


def test_p09_the_right_token_is_taken():
    """The scheme's name is without case."""
    sender = Sender(token=Secret("s3cret"))
    assert sender.send("x", {"authorization": "bearer s3cret"}) == "e-1"


def signed(key: str, body: bytes) -> str:
    """Return a signature as GitHub would send it."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("header", ["x-signature-256", "x-hub-signature-256"])
def test_p09_a_signed_body_is_taken(header):
    """By our header's name, or by GitHub's."""
    sender = Sender(hmac=Secret("key"))
    assert sender.send(b"x", {header: signed("key", b"x")}) == "e-1"
    assert sender.send(b"x", {header: signed("key", b"x").upper().replace("SHA256", "sha256")}) == "e-2"


@pytest.mark.parametrize(
    "signature", ["", "sha256=", "sha256=00", signed("other", b"x"), signed("key", b"y"), "\udcff"]
)
def test_p09_a_missing_or_wrong_signature_is_refused(signature):
    """Of another key, of another body, of none."""
    sender = Sender(hmac=Secret("key"))
    status, reason = sender.refusal(b"x", {"x-signature-256": signature})
    assert status == 401
    assert signed("key", b"x")[7:] not in reason


def test_p09_an_empty_body_proves_nothing():
    """Its signature would fit every address, so a token must stand beside it."""
    signature = {"x-signature-256": signed("key", b"")}
    assert Sender(hmac=Secret("key")).refusal(b"", signature)[0] == 401
    assert Sender(hmac=Secret("key")).refusal(b"", signature, method="DELETE")[0] == 401
    both = Sender(hmac=Secret("key"), token=Secret("s3cret"))
    assert both.send(b"", signature | {"authorization": "Bearer s3cret"}, method="DELETE") == "e-1"
    assert both.refusal(b"", {"authorization": "Bearer s3cret"})[0] == 401


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip"])
def test_p06_a_compressed_body_is_refused(encoding):
    """Before a byte of it is looked at, so no bomb goes off."""
    with pytest.raises(PushError) as caught:
        Sender().door.admit({"content-encoding": encoding}, "")
    assert caught.value.status == 415
    Sender().door.admit({"content-encoding": "Identity"}, "")


@pytest.mark.parametrize("place", ["header", "query"])
def test_p07_a_repetition_gets_the_first_answer(place):
    """Nothing is published twice, whatever its body says."""
    sender = Sender()
    stated = ({"idempotency-key": "k"}, {}) if place == "header" else ({}, {"id": "k"})
    assert [sender.send(f"try {n}", *stated) for n in range(3)] == ["e-1"] * 3
    assert len(sender.heard) == 1


def test_p07_a_repeated_batch_gets_the_same_ids():
    """All of them."""
    sender = Sender()
    assert [sender.send("1\n2", NDJSON, {"id": "k"}) for _ in range(2)] == [["e-1", "e-2"]] * 2
    assert len(sender.heard) == 2


def test_p07_the_window_ends():
    """After `dedup` the key is new again."""
    sender = Sender(dedup="5m")
    sender.send("a", query={"id": "k"})
    sender.now = 301.0
    assert sender.send("a", query={"id": "k"}) == "e-2"


def test_p07_a_key_holds_for_its_subject_and_method():
    """A sender who numbers per subject is not caught out."""
    sender = Sender()
    asked = [("POST", "a"), ("POST", "b"), ("DELETE", "a"), ("POST", "a")]
    assert [sender.send(query={"id": "1"}, method=method, subject=subject) for method, subject in asked] == [
        "e-1",
        "e-2",
        "e-3",
        "e-1",
    ]


def test_p07_a_refused_request_does_not_burn_its_key():
    """It is sent again, mended, and published."""
    sender = Sender()
    query = {"id": "k"}
    json_type = {"content-type": "application/json"}
    assert sender.refusal("{", json_type, query)[0] == 400
    sender.recorder.fails = True
    with pytest.raises(OSError, match="disk"):
        sender.send("{}", json_type, query)
    sender.recorder.fails = False
    assert sender.send("{}", json_type, query) == "e-1"


def test_p07_a_repeated_cloudevent_is_known_by_its_source_and_id():
    """Alone or in a batch; the rest of the batch is published."""
    sender = Sender()
    one = {"content-type": "application/cloudevents+json"}
    many = {"content-type": "application/cloudevents-batch+json"}
    assert sender.send(json.dumps(EVENT), one) == "e-1"
    assert sender.send(json.dumps(EVENT), one) == "e-1"
    batch = [EVENT, EVENT | {"id": "2"}, EVENT | {"id": "2"}, EVENT | {"source": "/other"}]
    assert sender.send(json.dumps(batch), many) == ["e-1", "e-2", "e-2", "e-3"]
    assert len(sender.heard) == 3
    assert sender.send(json.dumps(batch), many) == ["e-1", "e-2", "e-2", "e-3"]
    assert sender.recorder.batches == 2


def test_p07_no_window_where_it_is_switched_off():
    """`dedup: 0s`."""
    sender = Sender(dedup="0s")
    assert [sender.send("a", query={"id": "k"}) for _ in range(2)] == ["e-1", "e-2"]


def test_a_door_tells_what_the_gateway_must_know():
    """How large a body may be, and whether the public port may have it."""
    door = Sender(max="64KiB").door
    assert (door.limit, door.is_guarded) == (65_536, False)
    assert Sender(token=Secret("x")).door.is_guarded
    assert Sender(hmac=Secret("x")).door.is_guarded


async def test_the_run_only_waits():
    """The door does the work."""
    recorder = Recorder()
    run = asyncio.create_task(Push().run(recorder, Place(name="notices")))
    await asyncio.wait([run], timeout=0.05)
    assert not run.done()
    run.cancel()
    assert recorder.states == ["up"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subject": "users/{user"}, "column 7"),
        ({"subject": "/users/{user}"}, "without a slash"),
        ({"subject": ""}, "without a slash"),
        ({"token": "s3cret"}, "plain text"),
        ({"hmac": "s3cret"}, "plain text"),
        ({"dedup": "25h"}, "at most 1d"),
        ({"dedup": 300}, "a duration with a unit"),
        ({"max": "1GiB"}, "1B to 16MiB"),
        ({"max": "0B"}, "1B to 16MiB"),
        ({"headers": ["X-Region"]}, "lower-case"),
        ({"headers": ["authorization"]}, "holds a secret"),
        ({"rate": "5/s"}, "not permitted"),
    ],
)
def test_a_bad_push_is_refused(fields, words):
    """With what to write instead, and no secret in it."""
    with pytest.raises(ValidationError) as caught:
        Push.model_validate(fields)
    reasons = [error["msg"] for error in caught.value.errors()]
    assert any(words in reason for reason in reasons)
    assert not any("s3cret" in reason for reason in reasons)


def test_every_option_has_a_description():
    """The reference and the editors show it."""
    schema = Push.model_json_schema()["properties"]
    assert all(schema[name].get("description") for name in Push.model_fields)
