"""The client of `http` and `sse` by itself, from YAML keys, with names that a test resolves."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.sources.base import Outlet, Place
from bridge.sources.web.body import read
from bridge.sources.web.client import Client
from bridge.sources.web.keys import Web
from bridge.sources.web.names import Found, Names
from bridge.sources.web.trouble import WebError

#: What the secrets in tests hold; it must never come back in words.
SECRET = "s3cr3t-v4lue"
ENVIRON = {"SECRET": SECRET}
HIDDEN = {"env": "SECRET"}


class Bare(Web):
    """The shared keys alone."""

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Do nothing."""


def web(url: str = "http://127.0.0.1:1/", **keys: Any) -> Bare:
    """Return the model of what a YAML says."""
    given = {"url": url, **keys}
    return Bare.model_validate(given, context={"environ": ENVIRON}, by_alias=True, by_name=False)


def refusal(url: str = "http://127.0.0.1:1/", **keys: Any) -> str:
    """Return why a YAML is refused; no refusal repeats a secret."""
    with pytest.raises(ValidationError) as caught:
        web(url, **keys)
    [error] = caught.value.errors()
    assert SECRET not in str(error["msg"])
    return str(error["msg"])


class Dns:
    """A name server: what it answers, and what it was asked."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        #: Addresses by name. A name without any does not exist.
        self.table = {name: list(addresses) for name, addresses in table.items()}
        self.asked: list[str] = []
        #: Cleared, it does not answer.
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[Found]:
        """Answer."""
        self.asked.append(host)
        assert self.answers.wait(30)
        found = self.table.get(host)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [_found(address, port) for address in found]


def _found(address: str, port: int) -> Found:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


@contextlib.asynccontextmanager
async def asking(url: str, dns: Dns | None = None, **keys: Any) -> AsyncIterator[Client]:
    """Open a client for an address and more keys."""
    names = Names(dns) if dns is not None else Names()
    async with Client(web(url, **keys).remote(), names) as client:
        yield client


async def fetch(client: Client, captures: Mapping[str, str] = {}, *, limit: int = 1 << 20, **how: Any) -> bytes:
    """Return the body of one answer."""
    how.setdefault("first_byte", 20.0)
    answer = await client.open(captures, **how)
    with contextlib.closing(answer):
        body, _ = await read(answer, limit)
        return body


async def failure(client: Client, captures: Mapping[str, str] = {}, **how: Any) -> str:
    """Return the words of a request that fails; they hold no secret."""
    with pytest.raises(WebError) as caught:
        await fetch(client, captures, **how)
    assert SECRET not in str(caught.value)
    return str(caught.value)
