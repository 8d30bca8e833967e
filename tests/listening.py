"""An MQTT source alone, from its YAML keys, with all that it says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from bridge.errors import SourceError
from bridge.event import Message
from bridge.sources import backoff
from bridge.sources.base import Place, Source
from bridge.sources.mqtt import follow
from tests.support import DEADLINE, configured
from tests.tailing import Recorder

#: What every topic is matched by.
ANY = "{rest*}"

#: A test for each version.
both = pytest.mark.parametrize("version", [5, "3.1.1"])


def source(url: str, *topics: str, **keys: Any) -> Source:
    """Load an `mqtt` source as a configuration would have it."""
    spec = {"kind": "mqtt", "url": url, "topics": list(topics or (ANY,)), **keys}
    text = f"sources: {json.dumps({'m': spec})}\nroutes: {{/m: {{from: m}}}}\n"
    return configured(text).sources["m"].source


class Heard(Recorder):
    """An outlet that keeps everything; what the source says can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.task: asyncio.Task[None] | None = None
        #: Raised in place of taking a batch, once.
        self.failure: BaseException | None = None

    def emit(self, messages: Sequence[Message]) -> Sequence[str]:
        """Keep the messages, or fail as the test wants it."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return super().emit(messages)

    async def until(self, told: Callable[[], object]) -> None:
        """Wait until a function returns something true; fail when the source has ended."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not told():
                    if self.task is not None and self.task.done():
                        self.task.result()
                    assert self.task is None or not self.task.done(), "the source has ended"
                    await asyncio.sleep(0.002)
        except BaseException as late:
            late.add_note(f"states {self.states}, {len(self.heard)} heard, the last {self.heard[-3:]}")
            raise

    async def comes_up(self, times: int = 1) -> None:
        """Wait until the source has come up so often."""
        await self.until(lambda: self.states.count("up") >= times)

    async def goes_down(self) -> str:
        """Wait until the source is down; return why."""
        await self.until(lambda: any(state != "up" for state in self.states))
        return next(state for state in self.states if state != "up")

    async def payloads(self, count: int) -> list[bytes | str]:
        """Wait for so many messages; return what all there are say."""
        await self.until(lambda: len(self.messages) >= count)
        return self.texts

    async def losses_of(self, reason: str, count: int = 1) -> None:
        """Wait until so many losses of a reason were announced."""
        await self.until(lambda: [loss.reason for loss in self.losses].count(reason) >= count)


async def _run(source: Source, heard: Heard, place: Place) -> None:
    while True:
        try:
            await source.run(heard, place)
        except SourceError as error:
            # As the supervisor does, without its wait.
            heard.states.append(str(error))
            await asyncio.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def hasty(*, is_alone: bool = True) -> Iterator[None]:
    """Let sources come back at once; one that is alone suspects nobody, however often its connection ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backoff, "FIRST_DELAY", 0.02)
        patch.setattr(backoff, "LONGEST_DELAY", 0.1)
        if is_alone:
            patch.setattr(follow, "QUICK", 0.0)
            patch.setattr(follow, "TAKEN_DELAY", (0.1, 0.2))
        yield


@contextlib.asynccontextmanager
async def listening(
    url: str, *topics: str, place: Place | None = None, is_alone: bool = True, **keys: Any
) -> AsyncIterator[Heard]:
    """Run an `mqtt` source; at the end nothing of it may be left."""
    heard = Heard()
    made = source(url, *topics, **keys)
    task = heard.task = asyncio.create_task(_run(made, heard, place or Place(name="m")), name="source m")
    try:
        with hasty(is_alone=is_alone):
            yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE)
        _check_nothing_is_left()


def _check_nothing_is_left() -> None:
    tasks = [each for each in asyncio.all_tasks() if not each.done()]
    if not any(each.get_name() == "source m" for each in tasks):
        left = [each for each in tasks if "/bridge/sources/" in each.get_coro().cr_code.co_filename]
        assert not left, left
