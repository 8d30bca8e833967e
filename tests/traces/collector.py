"""A small collector: OTLP over HTTP, in the test's own process, that keeps the spans it was sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support import until

#: What a sampled parent looks like, and how its trace and span are called.
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass(frozen=True)
class Span:
    """One span, as it came."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    state: str
    begun: int
    ended: int
    told: Mapping[str, Any]


class Collector:
    """What was sent so far."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.requests = 0
        self.headers: Mapping[str, str] = {}
        self.service: Mapping[str, Any] = {}
        #: The status to answer with; and set, requests wait.
        self.status = 200
        self.is_stalling = False
        self.port = 0

    @property
    def url(self) -> str:
        """Return where it takes traces."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take a request."""
        body = await request.read()
        self.requests += 1
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        while self.is_stalling:
            await asyncio.sleep(0.01)
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": self.url})
        assert request.path == "/v1/traces"
        sent = ExportTraceServiceRequest()
        sent.ParseFromString(body)
        for resource in sent.resource_spans:
            self.service = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += map(_span, scope.spans)
        return web.Response(body=ExportTraceServiceResponse().SerializeToString())

    async def named(self, name: str, count: int = 1) -> list[Span]:
        """Wait until so many spans of a name have come."""
        return await until(lambda: found if len(found := self.of(name)) >= count else None)

    def of(self, name: str) -> list[Span]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Listen on loopback."""
    made = Collector()
    runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [address] = runner.addresses
    made.port = address[1]
    try:
        yield made
    finally:
        await runner.cleanup()


def follows(spans: list[Span], *names: str) -> list[Span]:
    """Return a chain of spans of these names, each the child of the one before it; fail where there is none."""
    for last in (span for span in spans if span.name == names[-1]):
        chain = [last]
        for name in reversed(names[:-1]):
            above = [span for span in spans if span.id == chain[0].parent and span.name == name]
            if not above:
                break
            chain.insert(0, above[0])
        if len(chain) == len(names):
            return chain
    raise AssertionError([(span.name, span.id, span.parent) for span in spans])


def _span(raw: Any) -> Span:
    return Span(
        trace=raw.trace_id.hex(),
        id=raw.span_id.hex(),
        parent=raw.parent_span_id.hex(),
        name=raw.name,
        kind=KINDS[raw.kind],
        state=raw.trace_state,
        begun=raw.start_time_unix_nano,
        ended=raw.end_time_unix_nano,
        told=_attributes(raw.attributes),
    )


def _attributes(raw: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in raw}


def counted(counts: Callable[[], Mapping[str, int]], name: str) -> Callable[[], int]:
    """Return a function that tells one of the counts."""
    return lambda: counts()[name]
