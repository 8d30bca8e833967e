"""Pushes over a real socket: what is answered, and what the door is asked."""

import json
from collections.abc import Awaitable, Callable, Mapping

import pytest
from aiohttp import web

from bridge.errors import PushError
from bridge.gateway.ingest import Ingest
from tests.gateway.raw import Answer, Peer, ask, request, serving, until

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Gate:
    """A door that notes what it is asked, and refuses when told to."""

    def __init__(self, *, limit: int = 1_024, is_guarded: bool = False) -> None:
        self.limit = limit
        self.is_guarded = is_guarded
        self.refusal: PushError | None = None
        self.answer: str | list[str] = "e-1"
        self.admitted: list[str] = []
        self.received: list[tuple[str, Mapping[str, str], Mapping[str, str], str, bytes]] = []

    def admit(self, headers: Mapping[str, str], subject: str) -> None:
        """Note the subject."""
        self.admitted.append(subject)
        if self.refusal is not None:
            raise self.refusal

    def receive(
        self, method: str, headers: Mapping[str, str], query: Mapping[str, str], subject: str, body: bytes
    ) -> str | list[str]:
        """Note the request."""
        self.received.append((method, headers, query, subject, body))
        return self.answer


def at(ingest: Ingest, *, public: bool = False) -> Handle:
    """Serve pushes as a listener would: by the address's path, decoded once."""

    async def handle(asked: web.BaseRequest) -> web.StreamResponse:
        return await ingest.handle(asked, asked.path.removeprefix("/-/push/"), public=public)

    return handle


def document(answer: Answer) -> dict[str, object]:
    """Return the answer's JSON."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, object] = json.loads(answer.body)
    return found


async def test_an_event_is_answered_with_its_id():
    """202, and the door has been asked with all that the request said."""
    gate = Gate()
    answer = await ask(
        at(Ingest({"notices": gate})),
        "/-/push/notices/users/J%C3%BCrgen?event=x&id=a%20b",
        "POST",
        b"hi",
        X_Region="eu",
    )
    assert (answer.status, document(answer)) == (202, {"id": "e-1"})
    [(method, headers, query, subject, body)] = gate.received
    assert (method, query, subject, body) == ("POST", {"event": "x", "id": "a b"}, "users/Jürgen", b"hi")
    assert headers["x-region"] == "eu"


async def test_a_batch_is_answered_with_its_ids():
    """Also one that holds nothing."""
    gate = Gate()
    for ids in (["e-1", "e-2"], []):
        gate.answer = ids
        answer = await ask(at(Ingest({"notices": gate})), "/-/push/notices", "POST", b"1\n2")
        assert (answer.status, document(answer)) == (202, {"ids": ids})


async def test_a_delete_reaches_the_door():
    """Without a body."""
    gate = Gate()
    answer = await ask(at(Ingest({"notices": gate})), "/-/push/notices/a", "DELETE")
    assert answer.status == 202
    assert gate.received[0][0] == "DELETE"
    assert gate.received[0][4] == b""


async def test_a_subject_may_be_absent():
    """One slash at the end means nothing, there or behind a subject."""
    gate = Gate()
    for path in ("/-/push/notices", "/-/push/notices/", "/-/push/notices/a/b/"):
        assert (await ask(at(Ingest({"notices": gate})), path, "POST")).status == 202
    assert gate.admitted == ["", "", "a/b"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(method):
    """405, with those that are not."""
    gate = Gate()
    answer = await ask(at(Ingest({"notices": gate})), "/-/push/notices", method)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST, DELETE"
    assert gate.admitted == []


async def test_an_unknown_source_names_the_nearest_on_admin():
    """The operator's own machine may know; a stranger may not."""
    ingest = Ingest({"notices": Gate(is_guarded=True), "news": Gate()})
    answer = await ask(at(ingest), "/-/push/notice", "POST")
    assert answer.status == 404
    assert "the nearest is notices" in str(document(answer)["error"])
    answer = await ask(at(ingest, public=True), "/-/push/notice", "POST")
    assert answer.status == 404
    assert "notices" not in answer.text
    assert (await ask(at(Ingest({})), "/-/push/x", "POST")).status == 404


async def test_the_public_port_knows_guarded_sources_only():
    """An open one looks as if it were not there."""
    ingest = Ingest({"notices": Gate(is_guarded=True), "news": Gate()})
    assert (await ask(at(ingest, public=True), "/-/push/notices", "POST")).status == 202
    hidden = await ask(at(ingest, public=True), "/-/push/news", "POST")
    missing = await ask(at(ingest, public=True), "/-/push/other", "POST")
    assert (hidden.status, hidden.text) == (missing.status, missing.text)


async def test_a_refusal_has_its_status_and_reason():
    """As JSON, with the header that its status asks for."""
    gate = Gate()
    gate.refusal = PushError(401, "this source needs its token")
    answer = await ask(at(Ingest({"notices": gate})), "/-/push/notices", "POST", b"x")
    assert (answer.status, document(answer)) == (401, {"error": "this source needs its token"})
    assert answer.headers["www-authenticate"] == "Bearer"
    assert gate.received == []


async def test_a_name_that_stands_twice_in_the_query_is_refused():
    """Two parties could read two different names."""
    answer = await ask(at(Ingest({"notices": Gate()})), "/-/push/notices?event=a&event=b", "POST")
    assert answer.status == 400


async def test_headers_that_stand_twice_are_joined():
    """So that no second token hides behind the first."""
    gate = Gate()
    async with serving(at(Ingest({"notices": gate}))) as listener, Peer.to(listener.port) as peer:
        peer.send(b"POST /-/push/notices HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n")
        assert (await peer.answer()).status == 202
    assert gate.received[0][1]["authorization"] == "a, b"


async def test_a_connection_is_kept_for_the_next_push():
    """A program that pushes often connects once."""
    gate = Gate()
    async with serving(at(Ingest({"notices": gate}))) as listener, Peer.to(listener.port) as peer:
        for number in range(3):
            assert (await request(peer, "/-/push/notices", "POST", str(number).encode())).status == 202
    assert [received[4] for received in gate.received] == [b"0", b"1", b"2"]


async def test_the_slots_come_free_again():
    """After answers, refusals and senders that left alike."""
    gate = Gate(limit=4)
    ingest = Ingest({"notices": gate}, bodies=1)
    async with serving(at(ingest)) as listener:
        for body in (b"1", b"12345", b"2"):
            async with Peer.to(listener.port) as peer:
                await request(peer, "/-/push/notices", "POST", body)
        async with Peer.to(listener.port) as peer:
            peer.send(b"POST /-/push/notices HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n12")
            await until(lambda: ingest._free == 0)
        await until(lambda: ingest._free == 1)
    assert [received[4] for received in gate.received] == [b"1", b"2"]


async def test_a_slow_body_holds_up_nobody():
    """Another sender is answered meanwhile."""
    gate = Gate()
    async with serving(at(Ingest({"notices": gate}))) as listener, Peer.to(listener.port) as slow:
        slow.send(b"POST /-/push/notices HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsl")
        async with Peer.to(listener.port) as quick:
            assert (await request(quick, "/-/push/notices", "POST", b"quick")).status == 202
        slow.send(b"ow")
        assert (await slow.answer()).status == 202
    assert [received[4] for received in gate.received] == [b"quick", b"slow"]
