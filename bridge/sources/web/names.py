"""Names resolved, without holding up the loop, its threads, or the end of the process.

The system's resolver blocks, for as long as half a minute when a name server is silent, and cannot be stopped. In the
loop's own threads a few such names would hold up everybody else who needs one, and the process would wait for them at
its end. So each lookup has a thread of its own that nobody waits for, and a name has one at most.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

#: What `getaddrinfo` returns for one address.
Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int, ...]]

#: Asks the system; a test has its own.
Ask = Callable[[str, int, socket.AddressFamily], Sequence[Found]]

#: Threads of one source. Its address has one host, and each redirect one more; past this the name server is silent.
MAX_THREADS: Final = 8


def ask(host: str, port: int, family: socket.AddressFamily) -> Sequence[Found]:
    """Ask the system, blocking."""
    # Without AI_ADDRCONFIG: that hides `localhost` where loopback is all there is (containers without a network).
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)  # type: ignore[return-value]  # its types are wider


class Names(AbstractResolver):
    """The resolver of one source."""

    def __init__(self, ask: Ask = ask) -> None:
        self._ask = ask
        self._asking: dict[str, asyncio.Future[Sequence[Found]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raises `OSError`."""
        future = self._asking.get(host)
        if future is None:
            future = self._begin(host, port, family)
        # Who gives up leaves the question standing for the next one who asks.
        found = await asyncio.shield(future)
        return [_result(host, port, each) for each in found]

    async def close(self) -> None:
        """Forget what is being asked; the threads end by themselves."""
        for future in self._asking.values():
            future.cancel()
        self._asking.clear()

    def _begin(self, host: str, port: int, family: socket.AddressFamily) -> asyncio.Future[Sequence[Found]]:
        if len(self._asking) >= MAX_THREADS:
            raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Found]] = loop.create_future()
        self._asking[host] = future
        future.add_done_callback(lambda _: self._over(host))
        threading.Thread(
            target=_look, args=(loop, future, lambda: self._ask(host, port, family)), name=f"name {host}", daemon=True
        ).start()
        return future

    def _over(self, host: str) -> None:
        self._asking.pop(host, None)


def _look(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Sequence[Found]], ask: Callable[[], Sequence[Found]]
) -> None:
    """Ask, in a thread, and hand over what came of it."""
    failed: Exception | None = None
    found: Sequence[Found] = ()
    try:
        found = ask()
    except (OSError, UnicodeError) as error:
        failed = error
    # The loop may have closed: nobody asks any more.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_tell, future, found, failed)


def _tell(future: asyncio.Future[Sequence[Found]], found: Sequence[Found], failed: Exception | None) -> None:
    if future.done():
        return
    if failed is None:
        future.set_result(found)
        return
    future.set_exception(failed if isinstance(failed, OSError) else socket.gaierror(socket.EAI_NONAME, "no such name"))
    # Whoever asked may have left.
    future.exception()


def _result(host: str, port: int, found: Found) -> ResolveResult:
    family, _, proto, _, address = found
    # A zone (`%eth0`) is not passed on: an address that has one is link-local, and those are written as addresses.
    plain = str(address[0]).partition("%")[0]
    return ResolveResult(hostname=host, host=plain, port=port, family=family, proto=proto, flags=socket.AI_NUMERICHOST)
