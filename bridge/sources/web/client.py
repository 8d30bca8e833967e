"""Requests of one source: HTTP/1.1 over kept connections, each hop of a redirect checked by itself.

What is off, and why: cookies (nobody logs in here), proxy variables and `.netrc` (meant for people's tools), the
library's own redirects (they would not ask us) and its own decoding (its bounds are not ours).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import SimpleNamespace, TracebackType
from typing import Final, Self

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bridge.event import EMPTY
from bridge.instance import VIA
from bridge.sources.web import policy
from bridge.sources.web.address import place
from bridge.sources.web.ending import Connector, Ending
from bridge.sources.web.gate import ERRAND, Errand, make
from bridge.sources.web.names import Names
from bridge.sources.web.redirect import MAX_REDIRECTS, STATUSES, Hop, follow
from bridge.sources.web.remote import Remote, Via
from bridge.sources.web.trouble import FAILURES, Stage, WebError, trouble
from bridge.sources.web.trust import Trust

#: Seconds for name, TCP and TLS, where the whole has more time or none.
CONNECT: Final = 10.0

#: Seconds for which an idle connection is kept. Node and gunicorn close theirs after 5 and 2, nginx after 75; one that
#: was closed meanwhile costs a second attempt.
KEEP: Final = 30.0

#: Seconds for which an address is believed: whoever moves a service waits for about as long.
NAME_AGE: Final = 10

#: Bytes of a line of an answer's head, and the number of its lines: those of the front.
MAX_LINE: Final = 8_190
MAX_LINES: Final = 100

#: Bytes of a body that wait to be read; twice as many stop the peer.
BUFFER: Final = 64 * 1024

SWITCHING: Final = 101

#: Names and values.
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

USER_AGENT: Final = "sse-bridge"

#: What we take, and what `body` decodes.
ACCEPT_ENCODING: Final = "gzip, deflate"


class Answer:
    """The head of an answer, and its body as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, hop: Hop, errand: Errand) -> None:
        self._response = response
        self._ending = Ending(response, errand.lost)
        self.status: int = response.status
        self.headers: CIMultiDictProxy[str] = response.headers
        #: Where it came from at last, without the query.
        self.url: str = hop.shown
        #: A redirect wrote the query, so `url` does not tell the page.
        self.is_fleeting: bool = hop.is_fleeting
        #: Host and port, for words.
        self.where: str = hop.where

    @property
    def size(self) -> int:
        """Return how many bytes of the body have been read, still encoded."""
        return self._ending.read

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body's bytes as they come, still encoded; raises `WebError`."""
        content = self._response.content
        try:
            while data := await content.readany():
                self._ending.read += len(data)
                yield data
            self._ending.check()
        except RuntimeError as error:
            if not self._ending.is_lost:
                raise
            raise trouble(error, self.where, stage="body") from error
        except FAILURES as error:
            raise trouble(error, self.where, stage="body") from error

    def close(self) -> None:
        """Let the connection go: kept for another request where the body was read to its end, else closed."""
        self._ending.forget()
        self._response.close()


class Client:
    """The session of one source with its server; use it as an async context manager."""

    def __init__(self, remote: Remote, names: Names | None = None) -> None:
        self._remote = remote
        self._names = names or Names()
        self._trust = Trust(remote.tls)
        self._connector: aiohttp.TCPConnector | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_end.append(_connected)
        tracing.on_connection_reuseconn.append(_connected)
        self._connector = Connector(
            resolver=self._names,
            ttl_dns_cache=NAME_AGE,
            keepalive_timeout=KEEP,
            socket_factory=make,
            limit=0,  # bounded by who asks: a task an address, a request a task
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT, sock_connect=None),
            read_bufsize=BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_LINES,
            trace_configs=[tracing],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        await self._names.close()

    async def open(
        self,
        captures: Mapping[str, str],
        *,
        method: str = "GET",
        headers: Headers = EMPTY,
        body: bytes | None = None,
        first_byte: float | None = None,
    ) -> Answer:
        """Ask; return once the head of the answer is there, after redirects. Raises `WebError`.

        `first_byte` bounds all of that, in seconds. Of `headers` those count that the operator did
        not write himself.
        """
        hop = first = self._first(captures, method, body)
        steps = _Steps()
        try:
            async with asyncio.timeout(first_byte):
                for _ in range(MAX_REDIRECTS + 1):
                    answer = await self._ask(hop, headers, steps)
                    location = answer.headers.get("Location")
                    if answer.status == SWITCHING:
                        answer.close()
                        raise WebError(f"{hop.where} switches to another protocol, unasked")
                    if answer.status not in STATUSES or location is None:
                        return answer
                    answer.close()
                    hop = follow(hop, first, answer.status, location)
        except TimeoutError as error:
            raise trouble(error, hop.where, stage=steps.stage, seconds=first_byte) from error
        raise WebError(f"{first.where} redirects more than {MAX_REDIRECTS} times")

    def _first(self, captures: Mapping[str, str], method: str, body: bytes | None) -> Hop:
        address = self._remote.address
        try:
            url = address.fill(captures, [(name, value.reveal()) for name, value in self._remote.query.items()])
        except ValueError as error:
            raise WebError(str(error)) from None
        return Hop(url=url, scheme=address.scheme, host=address.host, port=address.port, method=method, body=body)

    async def _ask(self, hop: Hop, headers: Headers, steps: "_Steps") -> Answer:
        """Make one request; raises `WebError`, and `TimeoutError` alone from the caller's own timeout."""
        errand = steps.errand = self._errand(hop)
        token = ERRAND.set(errand)
        try:
            return Answer(await self._send(hop, self._headers(hop, headers), errand), hop, errand)
        except FAILURES as error:
            raise self._failed(error, hop, errand) from error
        finally:
            ERRAND.reset(token)

    def _errand(self, hop: Hop) -> Errand:
        """Return what the connection is for; raises `WebError` for a host that a proxy must not be asked for."""
        remote = self._remote
        if remote.proxy is None:
            return Errand(host=hop.host, is_written=hop.is_written, allow=remote.allow)
        if fault := policy.proxied_fault(hop.host, is_written=hop.is_written, allow=remote.allow):
            raise WebError(fault)
        return Errand(host=remote.proxy.host, is_written=True, allow=remote.allow)

    def _headers(self, hop: Hop, given: Headers) -> CIMultiDict[str]:
        """Return what goes along; what the operator wrote wins over what the kind of source asks for."""
        headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPT_ENCODING})
        headers.update(given)
        headers.update(self._remote.headers)
        if hop.is_own:
            headers.update({name: value.reveal() for name, value in self._remote.credentials.items()})
        for name in hop.without() & {name.lower() for name in headers}:
            del headers[name]
        headers["Via"] = VIA
        if self._remote.proxy is not None and hop.scheme == "http":
            headers.update(_proves(self._remote.proxy))
        return headers

    async def _send(self, hop: Hop, headers: CIMultiDict[str], errand: Errand) -> aiohttp.ClientResponse:
        """Send one request, once more where a kept connection had ended meanwhile (RFC 9112, section 9.3.1).

        The library does that for a GET. A POST that is polled is one that may be sent again: it will be, soon.
        """
        try:
            return await self._send_once(hop, headers, errand)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if hop.method != "POST" or not errand.is_reused or isinstance(error, aiohttp.ClientConnectorError):
                raise
        return await self._send_once(hop, headers, errand)

    async def _send_once(self, hop: Hop, headers: CIMultiDict[str], errand: Errand) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("a client is used as a context manager")
        proxy = self._remote.proxy
        context = await self._trust.context(is_own=hop.is_own) if hop.scheme == "https" else True
        return await self._session.request(
            hop.method,
            # As it is: what was checked is what is sent.
            URL(hop.url, encoded=True),
            headers=headers,
            data=hop.body,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
            ssl=context,
            proxy=URL.build(scheme="http", host=proxy.host, port=proxy.port) if proxy is not None else None,
            proxy_headers=_proves(proxy) if proxy is not None and hop.scheme == "https" else None,
            trace_request_ctx=errand,
        )

    def _failed(self, error: BaseException, hop: Hop, errand: Errand) -> WebError:
        """Return what an error means, and let the next request begin anew."""
        if errand.stage != "head" and self._connector is not None:
            # It may have moved.
            self._connector.clear_dns_cache()
        if hop.scheme == "https":
            self._trust.doubt()
        if errand.refused and errand.stage == "connect":
            return WebError(errand.refused[-1])
        proxy, where = self._remote.proxy, hop.where
        is_proxys = isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError))
        if proxy is not None and (is_proxys or errand.stage == "name"):
            where = f"the proxy {place('http', proxy.host, proxy.port)}"
        return trouble(error, where, stage=errand.stage, seconds=CONNECT)


class _Steps:
    """How far a chain of requests has come."""

    errand: Errand | None = None

    @property
    def stage(self) -> Stage:
        return self.errand.stage if self.errand is not None else "name"


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    """Note that a request has its connection."""
    errand: Errand = context.trace_request_ctx
    errand.stage = "head"
    errand.is_reused = isinstance(params, aiohttp.TraceConnectionReuseconnParams)


def _proves(proxy: Via) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.credentials.reveal()} if proxy.credentials is not None else {}
