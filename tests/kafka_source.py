"""A Kafka source alone, from its YAML keys, with all that it says."""

import asyncio
import base64
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.errors import SourceError
from bridge.event import Message
from bridge.sources.base import Place, Source
from bridge.sources.kafka import follow, group, link, remedy, session, survey
from tests.kafka_config import USER
from tests.listening import Heard
from tests.support import DEADLINE, configured

#: Seconds between two runs of a source that ended: the supervisor waits longer.
AGAIN: Final = 0.05

_numbers = itertools.count(1)


def yaml(address: str, *topics: str, **keys: Any) -> str:
    """Write the source `k`, and a route that reads it from the beginning."""
    spec = {"kind": "kafka", "brokers": [address], **({"topics": list(topics)} if topics else {}), **keys}
    return f"sources: {json.dumps({'k': spec})}\nroutes: {{/k: {{from: k, start: earliest}}}}\n"


def source(address: str, *topics: str, **keys: Any) -> Source:
    """Load a `kafka` source as a configuration would have it."""
    return configured(yaml(address, *topics, **keys)).sources["k"].source


async def _run(made: Source, heard: Heard, place: Place) -> None:
    while True:
        try:
            await made.run(heard, place)
        except SourceError as error:
            heard.states.append(str(error))
            await asyncio.sleep(AGAIN)
        else:
            return


@contextlib.contextmanager
def hasty() -> Iterator[None]:
    """Let sources look again, and come back, within part of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "FIRST_DELAY", 0.05)
        patch.setattr(follow, "LONGEST_DELAY", 0.3)
        patch.setattr(session, "EVERY", 0.3)
        patch.setattr(group, "EVERY", 0.3)
        patch.setattr(group, "PATIENCE", 1.0)
        patch.setattr(survey, "LISTING", 0.5)
        patch.setattr(remedy, "DENIED", 1.0)
        patch.setattr(link, "PATIENCE", 2.0)
        yield


@contextlib.asynccontextmanager
async def listening(address: str, *topics: str, place: Place | None = None, **keys: Any) -> AsyncIterator[Heard]:
    """Run a `kafka` source, from the earliest record unless told otherwise; at the end nothing of it may be left."""
    heard = Heard()
    made = source(address, *topics, **{"begin": "earliest", **keys})
    place = place or Place(name=f"k{next(_numbers)}")
    task = heard.task = asyncio.create_task(_run(made, heard, place), name=f"source {place.name}")
    try:
        with hasty():
            yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE)
        assert not [each for each in asyncio.all_tasks() if each.get_name().startswith(f"kafka {place.name} ")]


def places(messages: Sequence[Message]) -> list[tuple[int, int]]:
    """Return partition and offset of each message."""
    return [(int(each.facts["partition"]), int(each.facts["offset"])) for each in messages]


def of(messages: Sequence[Message], partition: int) -> list[bytes | str]:
    """Return what the messages of one partition say."""
    return [each.payload for each in messages if each.facts["partition"] == partition]


def counted(*numbers: int | range) -> list[bytes]:
    """Return what records say that say nothing but a number."""
    return [b"%d" % number for each in numbers for number in (each if isinstance(each, range) else [each])]


def secret(folder: Path, text: str) -> dict[str, str]:
    """Keep a secret in a file."""
    path = folder / "secret"
    path.write_text(text + "\n")
    return {"file": str(path)}


def jwt(subject: str = USER, *, lasts: float = 3_600) -> str:
    """Make a token without a signature (RFC 7519, section 6), which this broker takes."""
    claims = {"sub": subject, "iat": int(time.time()) - 10, "exp": time.time() + lasts}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
