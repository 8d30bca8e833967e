"""TLS contexts of one source, made anew: certificates are renewed in place, and a process runs for months."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

from bridge.errors import SourceError
from bridge.sources.tls import Tls
from bridge.sources.web.trouble import WebError

#: Seconds for which a context is used. A new one costs some milliseconds in a thread, and a handshake.
MAX_AGE: Final = 300.0


#: Seconds for which a context is new enough to be none that a failure is about: a hundred addresses fail as one.
NEW: Final = 5.0


class Trust:
    """The context for the server that the operator wrote, and the one for all others, which proves nobody."""

    def __init__(self, tls: Tls, clock: Callable[[], float] = time.monotonic) -> None:
        self._tls = {True: tls, False: tls.model_copy(update={"cert": None, "key": None, "key_password": None})}
        self._clock = clock
        self._made: dict[bool, tuple[float, ssl.SSLContext]] = {}
        self._making = asyncio.Lock()

    async def context(self, *, is_own: bool) -> ssl.SSLContext:
        """Return a context of these minutes; raises `WebError`, in words, when a file is not what it was."""
        async with self._making:
            since, context = self._made.get(is_own, (0.0, None))
            if context is None or self._clock() - since >= MAX_AGE:
                try:
                    context = await asyncio.to_thread(self._tls[is_own].context)
                except SourceError as error:
                    raise WebError(str(error)) from error
                # What is asked for without: no server may choose HTTP/2, which nobody here speaks.
                context.set_alpn_protocols(["http/1.1"])
                self._made[is_own] = (self._clock(), context)
            return context

    def doubt(self) -> None:
        """Read the files again with the next request, where they were not read just now: a handshake failed."""
        old = [is_own for is_own, (since, _) in self._made.items() if self._clock() - since >= NEW]
        for is_own in old:
            del self._made[is_own]
