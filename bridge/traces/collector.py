"""Where traces go: a collector that takes OTLP over HTTP, and may be gone for hours.

Rule 1: what waits to be sent is bounded; past it a span is dropped and counted. Nothing here holds up the loop.
Rule 2: a collector that is gone is told once, and so is its return.
Rule 3: no proxy, no credentials of a `.netrc`, no redirect: spans go to the address that the file names.
Rule 4: of an answer the head counts. Its body is not read: at a wrong address it may have no end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import requests
import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

log = structlog.get_logger()

#: Spans that wait, and that one request takes. A span is some 300 bytes on the wire and 3 KiB here.
MAX_QUEUE: Final = 4_096
MAX_BATCH: Final = 512

#: Seconds between two requests, and for one with all its tries.
EVERY: Final = 1.0
TIMEOUT: Final = 5.0

REDIRECTS: Final = range(300, 400)
REFUSED: Final = 400


class Collector:
    """The way to the collector, and what became of the spans."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        #: Spans that the collector took; that it did not; that found no room in the queue.
        self.sent = 0
        self.failed = 0
        self.dropped = 0
        self._session = Session()
        # All that the environment could say beside this is said here.
        self._exporter = OTLPSpanExporter(
            endpoint=url,
            headers=dict(headers),
            timeout=TIMEOUT,
            compression=Compression.Gzip,
            session=self._session,
        )
        batches = BatchSpanProcessor(_Counted(self._exporter, self._told), MAX_QUEUE, EVERY * 1000, MAX_BATCH)
        self.processor: SpanProcessor = _Gate(batches, self)
        self._is_down = False

    @property
    def lost(self) -> int:
        """Count the spans that no collector will see."""
        return self.failed + self.dropped

    def abandon(self) -> None:
        """Send nothing more, and wait for nothing."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _told(self, spans: int, *, is_sent: bool) -> None:
        """Note what became of a request. Called by the thread that sends."""
        if is_sent:
            self.sent += spans
            if self._is_down:
                self._is_down = False
                log.info("traces are sent again", lost=self.lost)
            return
        self.failed += spans
        if not self._is_down:
            self._is_down = True
            log.warning("traces cannot be sent", reason=self._session.trouble)


class Session(requests.Session):
    """An HTTP session that asks the environment for nothing, and remembers what went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        # One request a second needs no connection that is kept, and none is left behind at the end.
        self.headers["Connection"] = "close"
        #: Why the last request failed, in words.
        self.trouble = "the collector did not answer"

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; a redirect is a refusal."""
        try:
            response = super().request(*args, **{**kwargs, "stream": True})
        except requests.RequestException as error:
            self.trouble = _words(error)
            raise
        response.close()
        if not response.ok or response.status_code in REDIRECTS:
            self.trouble = f"the collector answers {response.status_code}"
        if response.status_code in REDIRECTS:
            response.status_code = REFUSED  # the exporter would take it for a success
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Know of no redirect: `requests` reads the body of one before it leaves it alone."""


class _Counted(SpanExporter):
    """Tells what became of each request."""

    def __init__(self, inner: SpanExporter, told: Callable[..., None]) -> None:
        self._inner = inner
        self._told = told
        #: Spans that were taken out of the queue.
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._inner.export(spans)
        self._told(len(spans), is_sent=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class _Gate(SpanProcessor):
    """Lets a span into the queue while there is room."""

    def __init__(self, inner: BatchSpanProcessor, collector: Collector) -> None:
        self._inner = inner
        self._collector = collector
        self._let_in = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        exporter = self._inner.span_exporter
        if self._let_in - exporter.taken >= MAX_QUEUE:
            self._collector.dropped += 1
            return
        self._let_in += 1
        self._inner.on_end(span)

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def _words(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "the collector does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the collector's certificate cannot be trusted"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the collector"
    return type(error).__name__
