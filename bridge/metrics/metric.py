"""A metric: its name, what it says, and how it is read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from bridge.meter import Latency

PREFIX: Final = "sse_bridge_"

Kind = Literal["counter", "gauge", "histogram", "info"]

Number = int | float


class Labels(NamedTuple):
    """What an info says."""

    values: Mapping[str, str]


#: A number; one for each value of the metric's own label; a histogram; an info. None: not known now.
Reading = Number | Mapping[str, Number] | Latency | Labels | None

T = TypeVar("T")


class Metric(NamedTuple, Generic[T]):
    """One metric of a kind of thing."""

    #: Without the prefix, and of a counter without `_total`.
    name: str
    kind: Kind
    #: One line, for whoever sees the metric in Prometheus.
    help: str
    #: What it tells an operator, for the reference.
    means: str
    read: Callable[[T], Reading]
    #: The label that tells its values apart, beside that of the thing.
    label: str = ""

    @property
    def family(self) -> str:
        """Return the name without the suffix that its kind has."""
        return PREFIX + self.name

    @property
    def sample(self) -> str:
        """Return the name as one queries it, of a histogram that of its buckets."""
        return self.family + {"counter": "_total", "histogram": "_bucket", "info": "_info", "gauge": ""}[self.kind]


class Section(NamedTuple, Generic[T]):
    """All metrics of a kind of thing."""

    title: str
    #: The label that names the thing; "" for the process, of which there is one.
    label: str
    metrics: Sequence[Metric[T]]


class Thing(NamedTuple, Generic[T]):
    """One thing of a section, and what is read of it."""

    name: str
    view: T
