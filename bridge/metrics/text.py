"""The text of a scrape, in Prometheus' format and in OpenMetrics'.

https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification 1.0: they differ in how
counters and infos are named in their headers, and in the last line, which is not ours.

prometheus-client writes its own objects: 15 µs a line, with a dictionary for each. These lines are made from the views
at 1 µs each; what the client brings itself (`process_*`) it writes itself.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, TypeVar

from bridge.meter import BUCKETS, Latency
from bridge.metrics.metric import Labels, Metric, Number, Section, Thing

T = TypeVar("T")

#: Upper bounds as both formats have them: a float each, also where it is whole.
_BOUNDS: Final = (*map(repr, BUCKETS), "+Inf")

_TYPES: Final = {"info": "gauge"}


def escaped(text: str) -> str:
    """Return a label's value as it stands between quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: Number) -> str:
    """Return a number; a truth is one."""
    return repr(value) if isinstance(value, float) else str(int(value))


def lines(section: Section[T], things: Sequence[Thing[T]], *, is_open: bool) -> Iterator[str]:
    """Yield the lines of a section, those of one metric of one thing at a time; `is_open` for OpenMetrics."""
    names = [f'{section.label}="{escaped(thing.name)}"' if section.label else "" for thing in things]
    for metric in section.metrics:
        yield _header(metric, is_open=is_open)
        for name, thing in zip(names, things, strict=True):
            yield _lines(metric, name, thing.view)


def _header(metric: Metric[T], *, is_open: bool) -> str:
    name = metric.family if is_open or metric.kind == "histogram" else metric.sample
    kind = metric.kind if is_open else _TYPES.get(metric.kind, metric.kind)
    return f"# HELP {name} {metric.help}\n# TYPE {name} {kind}\n"


def _lines(metric: Metric[T], name: str, view: T) -> str:
    """Return the lines of one thing; "" where nothing is known."""
    reading = metric.read(view)
    sample = metric.sample
    if reading is None:
        return ""
    if isinstance(reading, int | float):
        return f"{sample}{{{name}}} {number(reading)}\n" if name else f"{sample} {number(reading)}\n"
    if isinstance(reading, Latency):
        return _histogram(metric.family, name, reading)
    before = f"{name}," if name else ""
    if isinstance(reading, Labels):
        told = ",".join(f'{label}="{escaped(value)}"' for label, value in reading.values.items())
        return f"{sample}{{{before}{told}}} 1\n"
    start = f'{sample}{{{before}{metric.label}="'
    return "".join([f'{start}{escaped(value)}"}} {number(each)}\n' for value, each in reading.items()])


def _histogram(family: str, name: str, latency: Latency) -> str:
    start = f'{family}_bucket{{{name},le="'
    sums = list(accumulate(latency.counts))
    told = [f'{start}{bound}"}} {count}\n' for bound, count in zip(_BOUNDS, sums, strict=True)]
    return f"{''.join(told)}{family}_count{{{name}}} {sums[-1]}\n{family}_sum{{{name}}} {latency.total!r}\n"
