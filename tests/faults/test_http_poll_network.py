"""Faults of the way to a polled server, as a running bridge shows them: the state, its words, and that it comes back.

H01, H05 to H08, H16, H18, H20, H21. What the client itself makes of each is tried in `test_http_client_…`.
"""

import gzip

import pytest

from bridge.sources.http import polite
from tests.http_server import Cut, HttpServer, Reply, Silence, Torn, answer
from tests.polled import polled, text


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon: none of these tests is about when."""
    monkeypatch.setattr(polite, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(polite, "LONGEST_DELAY", 0.2)


BOMB = gzip.compress(gzip.compress(bytes(1)) + bytes(8 * 1024 * 1024))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

FAULTS = {
    "h01_no_answer": (Silence(), "HOST did not answer within 500ms"),
    "h05_closed_at_once": (Cut(b""), "HOST closed the connection without an answer"),
    "h06_reset_within_the_body": (Torn(HEAD + b"Content-Length: 10\r\n\r\nabc"), ""),
    "h07_length_beyond_the_body": (
        Cut(HEAD + b"Content-Length: 10\r\n\r\nabc"),
        "the answer of HOST ends before its end",
    ),
    "h08_chunks_cut": (Cut(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"), ""),
    "h16_a_loop": (answer(302, b"", ("Location", "/page")), "HOST redirects more than 5 times"),
    "h18_to_a_file": (answer(302, b"", ("Location", "file:///etc/passwd")), ""),
    "h18_to_metadata": (answer(302, b"", ("Location", "http://169.254.169.254/")), ""),
    "h20_too_large": (text("x" * 2_000), "the answer of HOST is larger than `max` (1KiB)"),
    "h21_a_bomb": (answer(200, BOMB, ("Content-Type", "text/plain"), ("Content-Encoding", "gzip")), ""),
    "h28_no_http": (Cut(b"220 mail.test ESMTP\r\n"), "HOST does not answer as an HTTP server does"),
}


@pytest.mark.parametrize(("reply", "words"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_told_and_passes(reply: Reply, words: str) -> None:
    """The stream stays open, its reader is told in words; with the first reply that works all is as before."""
    async with polled(text("a"), reply, timeout="500ms", max="1KiB") as made:
        client = await made.served.open()
        assert (await client.event()).data == "a"
        assert words in await made.down()
        told = (await client.control("source")).told
        assert (told["state"], bool(told["error"])) == ("down", True)
        assert made.shown["error"] == made.status.error
        newcomer = await made.served.open()
        assert (await newcomer.event()).data == "a"
        made.server.play(text("b"))
        assert (await client.event()).data == "b"
        await made.up()
        assert made.shown["error"] is None
        assert client.gaps == []


async def test_h05_a_server_that_is_not_there_yet_is_found_when_it_comes(free_port: int) -> None:
    """An application that is started after its sidecar."""
    async with polled(url=f"http://127.0.0.1:{free_port}/page") as made:
        client = await made.served.open()
        assert "refuses connections" in await made.down()
        async with HttpServer.serving(text("a"), port=free_port):
            assert (await client.event()).data == "a"
            await made.up()


async def test_a_reply_that_is_no_json_keeps_what_was_known() -> None:
    """A login page in its place is no event, and neither is the page that was there before it."""
    good = answer(200, b'{"a": 1}', ("Content-Type", "application/json"), ("ETag", '"1"'))
    async with polled(good, answer(200, b"<html>", ("Content-Type", "application/json")), format="json") as made:
        client = await made.served.open()
        assert (await client.event()).data == '{"a": 1}'
        assert "HOST: the reply is " in await made.down()
        count = made.requests
        assert (await made.server.asked(count + 1)).header("If-None-Match") is None
        made.server.play(good)
        await made.up()
        made.server.play(answer(200, b'{"a": 2}', ("Content-Type", "application/json")))
        assert (await client.event()).data == '{"a": 2}'
