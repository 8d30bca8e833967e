"""One connection: from the request to its end, whatever ends it.

    GET ─▶ 200 text/event-stream ─▶ open ─▶ over
    GET ─▶ anything else         ─▶ over

Whatever ends it is a value, not an exception: all of it is to be expected.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple, Protocol

from bridge.sources.sse.decoder import Decoder, Heard, Oversized
from bridge.sources.sse.emission import Emission
from bridge.sources.sse.memory import Cursor, fit
from bridge.sources.sse.plan import Plan
from bridge.sources.sse.refusal import STREAM, UNFIT_ID, refusal
from bridge.sources.web import body
from bridge.sources.web.client import Answer, Client
from bridge.sources.web.patience import retry_after
from bridge.sources.web.trouble import WebError
from bridge.units import duration_text

#: Events that one turn of the loop hands over: some ten milliseconds, during which no stream is served.
BATCH: Final = 256

#: Bytes that one turn of the loop takes apart: of the shortest events, or of empty lines, they take some ten
#: milliseconds as well.
SLICE: Final = 64 * 1024

#: Bytes that are decompressed in one go. Deflate makes a thousand of each at most, and all that it makes of what has
#: come at once would keep the loop for seconds.
PACKED: Final = 1024

#: Bounds of an upstream's `retry`, seconds: one that says 0 would be asked thousands of times a second, and a delay
#: above five minutes is an hour's news lost for a slip in a unit.
MIN_RETRY, MAX_RETRY = 1.0, 300.0

#: The upstream says that there is nothing any more (HTML, section 9.2.3).
NO_CONTENT: Final = 204

#: What asks for a stream. Nothing on the way should hold it, and what is compressed is held until a block is full.
HEADERS: Final[Mapping[str, str]] = {"Accept": STREAM, "Cache-Control": "no-store", "Accept-Encoding": "identity"}


class End(NamedTuple):
    """How a connection ended."""

    #: Why, for a person.
    words: str = ""
    #: Nothing will ever come again.
    is_gone: bool = False
    #: It was open, and the upstream ended it in order.
    is_clean: bool = False
    #: Seconds to wait before the next one, at least.
    wait: float = 0.0


class Watch(Protocol):
    """Who wants to know how a connection goes. No method awaits."""

    def opened(self) -> None:
        """Note that the stream is open, before anything of it is handed over."""

    def heard(self, size: int) -> None:
        """Note that so many bytes have come, after the events in them were handed over."""


class Session:
    """One connection to one address."""

    def __init__(self, plan: Plan, client: Client, emission: Emission, cursor: Cursor, watch: Watch) -> None:
        self._plan = plan
        self._client = client
        self._emission = emission
        self._cursor = cursor
        self._watch = watch
        self._decoder = Decoder(last_event_id=cursor.id, limit=plan.max)
        self._decoding: body.Decoder = body.Plain()
        #: When it was open, by the loop's clock; None before.
        self.open_at: float | None = None

    async def run(self, captures: Mapping[str, str]) -> End:
        """Ask for the stream, and hand over what comes; return how it ended."""
        headers = {**HEADERS, "Last-Event-ID": self._cursor.id} if self._cursor.id else HEADERS
        try:
            answer = await self._client.open(captures, headers=headers, first_byte=self._plan.timeout)
        except WebError as error:
            return End(str(error))
        try:
            return self._refused(answer) or await self._read(answer)
        except WebError as error:
            return End(str(error))
        finally:
            answer.close()

    def _refused(self, answer: Answer) -> End | None:
        """Return the end of what is no stream."""
        if answer.status == NO_CONTENT:
            return End("the upstream says that nothing will come any more (204)", is_gone=True)
        where = self._plan.remote.address.where
        found = refusal(answer.status, answer.headers.get("Content-Type", ""), where)
        if found is None:
            return None
        if answer.status in UNFIT_ID and self._cursor.id:
            # Asked with the same id it would answer the same for ever.
            self._cursor.id, self._cursor.is_due = "", True
            return End(f"{found.words}; asking without the last id from now on")
        asked = retry_after(answer.headers.get("Retry-After", ""), time.time()) or 0.0
        return End(found.words, wait=max(found.wait, min(asked, MAX_RETRY)))

    async def _read(self, answer: Answer) -> End:
        silence, loop, where = self._plan.silence, asyncio.get_running_loop(), self._plan.remote.address.where
        # Some servers compress whatever they are asked.
        self._decoding = body.decoder(answer)
        self.open_at = loop.time()
        self._watch.opened()
        try:
            async with asyncio.timeout(silence) as patience, aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    await self._take(chunk)
                    if silence is not None:
                        patience.reschedule(loop.time() + silence)
        except TimeoutError:
            return End(f"{where} was silent for {duration_text(silence or 0)}")
        self._decoding.finish()
        return End(f"{where} ended the stream", is_clean=True)

    async def _take(self, chunk: bytes) -> None:
        """Hand over the events that these bytes complete."""
        cursor, decoder = self._cursor, self._decoder
        for number, piece in enumerate(self._pieces(chunk)):
            if number:
                await asyncio.sleep(0)
            await self._hand_over(decoder.feed(piece))
            cursor.id = fit(decoder.last_event_id)
        if decoder.retry is not None:
            cursor.retry = min(max(decoder.retry / 1000, MIN_RETRY), MAX_RETRY)
        self._watch.heard(len(chunk))

    async def _hand_over(self, found: Sequence[Heard | Oversized]) -> None:
        for at in range(0, len(found), BATCH):
            if at:
                # A burst must not keep the loop from the streams.
                await asyncio.sleep(0)
            self._emission.take(found[at : at + BATCH], time.time())

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what has come, decompressed, by what one turn takes."""
        is_plain = isinstance(self._decoding, body.Plain)
        for packed in [chunk] if is_plain else _slices(chunk, PACKED):
            yield from _slices(self._decoding.feed(packed), SLICE)


def _slices(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))
