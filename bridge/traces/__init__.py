"""Traces by OpenTelemetry. To be imported only where the file asks for them: the extra `otel` may not be there."""

from bridge.traces.collector import Collector
from bridge.traces.tracer import Traces

__all__ = ["Collector", "Traces"]
