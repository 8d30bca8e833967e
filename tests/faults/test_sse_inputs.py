"""Bad input from an upstream, eighteen kinds: each stream gives the events that the reference parser gives.

The rules are those that the web-platform tests name (`eventsource/format-*`), the cases are our own; S05 to S08 are the
ones that have no events to compare. Each stream is played whole, by the byte and in pieces of two, over a socket.
"""

from typing import NamedTuple

import pytest

from tests import reference
from tests.http_server import Cut, Drip, HttpServer, Reply, Tap
from tests.upstream import HEAD, event, following


class Case(NamedTuple):
    """A stream, and the data that are heard of it, as a check on the reference itself."""

    stream: bytes
    data: list[str]
    retry: int | None = None
    #: It is larger than `max`, or than what an id may be: the reference knows no bounds.
    is_bounded: bool = False


MEGA = 1024 * 1024

CASES = {
    "bom": Case(b"\xef\xbb\xbfdata: first\n\ndata: second\n\n", ["first", "second"]),
    "bom_twice": Case(b"\xef\xbb\xbf\xef\xbb\xbfdata: lost\n\ndata: second\n\n", ["second"]),
    "comments": Case(b":\ndata: a\n: x\r: data: no\r\n:\0\ndata: b\n:" + b"long " * 2_000 + b"\n\n", ["a\nb"]),
    "data_before_end": Case(b"data: a\n\ndata: cut off\nid: 9\n", ["a"]),
    "data_forms": Case(b"data:a\ndata: b\ndata:  c\ndata:\ndata\ndata: \n\n", ["a\nb\n c\n\n\n"]),
    "data_empty": Case(b"data:\n\ndata\n\ndata\ndata\n\ndata: end\n\n", ["", "", "\n", "end"]),
    "fields_unknown": Case(
        b"DATA: a\n data: b\ndata : c\ndatas: d\nx\ndata: e\n\xc2\xa0data: f\n\ndata: end\n\n", ["e", "end"]
    ),
    "field_spaces": Case(b"data:\tkept\ndata:\xc2\xa0kept\ndata: kept \n\n", ["\tkept\n\xa0kept\nkept "]),
    "event_names": Case(
        b"event: a\ndata: 1\n\ndata: 2\n\nevent: b\nevent: c\ndata: 3\n\nevent:\ndata: 4\n\nevent: d\n\ndata: 5\n\n",
        ["1", "2", "3", "4", "5"],
    ),
    "ids": Case(b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\n\ndata: d\n\n", ["a", "b", "c", "d"]),
    "line_ends": Case(
        b"data: a\rdata: b\n\rdata: c\r\n\r\ndata: d\n\ndata: e\r\rdata: f\r\n\n", ["a\nb", "c", "d", "e", "f"]
    ),
    "line_ends_of_others": Case(
        "data: a\vb\fc\x85d\u2028e\u2029f\x1cg\n\n".encode(), ["a\vb\fc\x85d\u2028e\u2029f\x1cg"]
    ),
    "nul_and_bad_utf8": Case(
        b"data: a\0b\xff\xe2\x82\ndata: \xed\xa0\x80\xc0\xaf\xf0\x9f\x98\n\n\0data: no\n\ndata: end\n\n",
        ["a\0b\ufffd\ufffd\n" + "\ufffd" * 6, "end"],
    ),
    "retry_odd": Case(
        b"retry: 3000\nretry: -1\nretry: 1.5\nretry: x\nretry\nretry:\nretry: 2000 \nretry:1000\ndata: a\n\n",
        ["a"],
        retry=1000,
    ),
    "s05_no_newline": Case(b"data: " + b"x" * 2 * MEGA, []),
    "s06_one_byte": Case("id: é\r\nevent: e\r\ndata: \U0001f600\r\n\r\ndata: x\r\n\r\n".encode(), ["\U0001f600", "x"]),
    "s07_retry_huge": Case(b"retry: " + b"9" * 2_000 + b"\nretry: 0\ndata: a\n\n", ["a"], retry=0),
    "s08_id": Case(
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: 3\rdata: c\n\nid: %b\ndata: d\n\nid: 4\ndata: e\n\n"
        % (b"5" * 9_000),
        ["a", "b", "c", "d", "e"],
        is_bounded=True,
    ),
}


def test_there_are_eighteen():
    """As many as were named."""
    assert len(CASES) == 18


def _played(stream: bytes, size: int) -> Reply:
    # A socket takes some microseconds for each piece: of a long stream the byte-wise part is its beginning.
    if size == 0 or len(stream) > MEGA:
        return Cut(HEAD + stream)
    return Drip(HEAD + stream, size)


@pytest.mark.parametrize("size", [0, 1, 2], ids=["whole", "bytes", "twos"])
@pytest.mark.parametrize("name", CASES)
async def test_bad_input_gives_the_events_of_the_reference(name, size):
    """Names, data and ids; then the connection after it goes on as ever."""
    case = CASES[name]
    expected = reference.parse(case.stream)
    assert [data for _, data, _ in expected.events] == case.data
    assert case.retry is None or expected.retry == case.retry
    replies = [_played(case.stream, size), Tap()]
    if size and len(case.stream) <= MEGA:
        # Who drips does not end: the next connection is another test's.
        replies = replies[:1]
    async with HttpServer.serving(*replies) as server, following(server.url()) as heard:
        await heard.payloads(len(expected.events))
        if isinstance(replies[-1], Tap):
            await replies[-1].send(event("after"))
            await heard.until(lambda: heard.said[-1:] == ["after"])
        told = [
            (str(each.facts["event"]), bytes(each.payload).decode(errors="replace"), each.facts.get("id", ""))  # type: ignore[arg-type]
            for each in heard.messages[: len(expected.events)]
        ]
    if case.is_bounded:
        told = [(name, data, "") for name, data, _ in told]
        expected.events = [(name, data, "") for name, data, _ in expected.events]
    assert told == expected.events
