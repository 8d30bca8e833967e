"""An `sse` source alone, from its YAML keys, with all that it says; and what an upstream sends it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bridge.demand import Demand
from bridge.errors import SourceError
from bridge.event import Loss, Message
from bridge.sources import backoff
from bridge.sources.base import Place, Source
from bridge.sources.sse import session, upstream
from tests.http_server import chunk
from tests.listening import Heard
from tests.support import DEADLINE, configured

#: The head of a stream that ends with its connection, and of one that says when it ends.
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = chunk(b"")


def event(data: object, id: str | None = None, name: str | None = None) -> bytes:
    """Encode one event."""
    lines = [f"event: {name}"] if name is not None else []
    lines += [f"id: {id}"] if id is not None else []
    lines += [f"data: {line}" for line in str(data).split("\n")]
    return ("\n".join(lines) + "\n\n").encode()


def source(url: str, **keys: Any) -> Source:
    """Load an `sse` source as a configuration would have it."""
    spec = {"kind": "sse", "url": url, **keys}
    names = "".join(f"/{{{name}}}" for name in keys.get("params", {}))
    text = f"sources: {json.dumps({'u': spec})}\nroutes: {{'/u{names}': {{from: u}}}}\n"
    return configured(text).sources["u"].source


def place(made: Source, **more: Any) -> Place:
    """Return a place as the process would give it."""
    demand = Demand(list(made.rules()), at_once=made.at_most) if made.is_asked else None
    return Place(name="u", demand=demand, **more)


@contextlib.contextmanager
def hasty() -> Iterator[None]:
    """Let sources come back at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backoff, "FIRST_DELAY", 0.02)
        patch.setattr(backoff, "LONGEST_DELAY", 0.1)
        patch.setattr(upstream, "RETRY", 0.02)
        patch.setattr(session, "MIN_RETRY", 0.02)
        yield


class Following(Heard):
    """What a running source has said, and its place."""

    def __init__(self, at: Place) -> None:
        super().__init__()
        self.place = at

    @property
    def said(self) -> list[str]:
        """Return data, and the reasons of losses in angle brackets, in order."""
        return [f"<{each.reason}>" if isinstance(each, Loss) else _text(each) for each in self.heard]

    async def says(self, *said: str) -> None:
        """Wait until just this was said."""
        await self.until(lambda: len(self.heard) >= len(said))
        assert self.said == list(said)

    @property
    def streams(self) -> list[dict[str, Any]]:
        """Return what the admin port would show."""
        streams: Any = self.place.detail()["addresses"]
        json.dumps(streams)
        return list(streams)


def _text(message: Message) -> str:
    payload = message.payload
    return payload.decode(errors="replace") if isinstance(payload, bytes) else payload


async def _run(made: Source, heard: Following) -> None:
    while True:
        try:
            await made.run(heard, heard.place)
        except SourceError as error:
            # As the supervisor does, without its wait.
            heard.states.append(str(error))
            await asyncio.sleep(0.05)
        else:
            return


@contextlib.asynccontextmanager
async def following(
    url: str, *, at: Place | None = None, is_hasty: bool = True, **keys: Any
) -> AsyncIterator[Following]:
    """Run an `sse` source; at the end nothing of it may be left."""
    made = source(url, **keys)
    heard = Following(at or place(made))
    with hasty() if is_hasty else contextlib.nullcontext():
        task = heard.task = asyncio.create_task(_run(made, heard), name="source u")
        try:
            yield heard
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, DEADLINE)
    tasks = [each for each in asyncio.all_tasks() if not each.done()]
    if not any(each.get_name() == "source u" for each in tasks):
        left = [each for each in tasks if "/bridge/sources/" in each.get_coro().cr_code.co_filename]
        assert not left, left
