"""The light EventSource does what Chromium does, whatever it is answered."""

import asyncio
from collections import defaultdict
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.e2e.programs import until
from tests.rolling import chromium
from tests.rolling.eventsource import EventSource, Memory, Parser

pytestmark = pytest.mark.live

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nAccess-Control-Allow-Origin: *\r\n"
CLOSED = b"Connection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
#: Comes back soon, and with an id.
BEGIN = STREAM + CLOSED + b"retry: 10\nid: a\ndata: 1\n\n"
BAD = b"Content-Length: 0\r\nConnection: close\r\n\r\n"

#: What is answered to each of an EventSource's tries, one after another; then it is told to go for good.
CASES = {
    "ends": [BEGIN],
    "no content": [BEGIN, b"HTTP/1.1 204 No Content\r\n\r\n", BEGIN],
    **{f"status {n}": [BEGIN, b"HTTP/1.1 %d No\r\n%s" % (n, BAD), BEGIN] for n in (401, 404, 429, 500, 502, 503, 504)},
    "error that is a stream": [BEGIN, STREAM.replace(b"200", b"502") + CLOSED + b"data: 2\n\n", BEGIN],
    "page": [BEGIN, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + BAD, BEGIN],
    "no type": [BEGIN, b"HTTP/1.1 200 OK\r\n" + BAD, BEGIN],
    "charset": [BEGIN, BEGIN.replace(b"stream", b"stream; charset=utf-8"), BEGIN],
    "nothing": [BEGIN, b"", BEGIN],
    "half an event": [BEGIN, STREAM + CLOSED + b"id: b\ndata: 2\n", BEGIN],
    "chunks": [BEGIN, STREAM + CHUNKED + b"f\r\nid: b\ndata: 2\n\n\r\n0\r\n\r\n"],
    "cut within a chunk": [BEGIN, STREAM + CHUNKED + b"f\r\nid: b\ndata: 2\n\n\r\nff\r\nid: c"],
    "length": [BEGIN, STREAM + b"Content-Length: 15\r\n\r\nid: b\ndata: 2\n\n"],
    "id alone": [BEGIN, STREAM + CLOSED + b"id: b\n\n"],
    "come back": [BEGIN, STREAM + CLOSED + b"retry: 20\n\n"],
    "come back, in a line": [BEGIN, STREAM + CLOSED + b"retry: 20\n", STREAM + CLOSED + b"data: 2\n\n"],
    "no id within": [BEGIN, STREAM + CLOSED + b"data: 2\n\n"],
    "empty id": [BEGIN, STREAM + CLOSED + b"id\ndata: 2\n\n"],
    "line ends": [STREAM + CLOSED + b"retry: 10\r\nid: a\r\rdata: 1\r\rdata: 2\r\n\r\n"],
    "names and lines": [STREAM + CLOSED + b"retry:10\nevent: bridge.gap\ndata: 1\ndata:  2\n\ndata\n\nfoo: x\n\n"],
    "mark": [STREAM + CLOSED + b"\xef\xbb\xbfretry: 10\nid: a\ndata: \xff\n\n"],
    "strange origin": [BEGIN, BEGIN.replace(b"*", b"http://b.example"), BEGIN],
}
GONE = b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n"


class Teller:
    """Answers each try of each EventSource as its case says, and notes the ids that it came with."""

    def __init__(self):
        self.tries = defaultdict(list)

    async def __call__(self, reader, writer):
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n") if ": " in line)
        asked = parse_qs(urlsplit(head.split()[1]).query)
        if "case" in asked:
            [case], [who] = asked["case"], asked["who"]
            tries = self.tries[case, who]
            writer.write((*CASES[case], *[GONE] * 9)[len(tries)])
            tries.append(fields.get("Last-Event-ID", ""))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + BAD)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def teller():
    """Run the server that answers."""
    made = Teller()
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


async def test_it_ends_comes_back_and_hears_as_chromium_does(teller, page):
    """After each answer both are as closed, come with the same ids as often, and have heard the same."""
    origin = f"http://localhost:{teller.port}"
    url = f"http://127.0.0.1:{teller.port}/?"
    await page.goto(origin)
    await chromium.listen(page, [f"{url}who=chromium&case={case}" for case in CASES])
    ours = [EventSource(f"{url}who=ours&case={case.replace(' ', '%20')}", origin=origin) for case in CASES]
    async with asyncio.timeout(30):
        await asyncio.gather(*(source.run() for source in ours))

    async def all_closed():
        return all(tab.state == "closed" for tab in await chromium.tabs(page))

    await until(all_closed, "Chromium gives all of them up")
    for case, source, tab in zip(CASES, ours, await chromium.tabs(page), strict=True):
        assert (case, teller.tries[case, "ours"]) == (case, teller.tries[case, "chromium"])
        assert (case, source.memory.heard, source.opened) == (case, tab.heard, tab.opened)
        assert source.state == "closed"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_of_any_size_are_the_same_stream(size):
    """A line end may stand on both sides of a cut."""
    text = b"\xef\xbb\xbfid: a\r\ndata: 1\r\n\r\ndata: 2\rdata: \xc3\xa4\r\revent: x\ndata: 3\n\n"
    whole, parts = Memory(), Memory()
    Parser(whole).feed(text)
    parser = Parser(parts)
    for at in range(0, len(text), size):
        parser.feed(text[at : at + size])
    assert parts == whole
    assert [data for _, data in whole.heard] == ["1", "2\nä", "3"]
