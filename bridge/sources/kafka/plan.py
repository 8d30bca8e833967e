"""What the keys say, as a run uses it."""

from dataclasses import dataclass
from typing import Self

from bridge.sources.kafka.begin import Begin
from bridge.sources.kafka.consumer import Reading
from bridge.sources.kafka.link import Options
from bridge.sources.kafka.model import Kafka
from bridge.sources.kafka.topics import Selection
from bridge.sources.kafka.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One source's keys."""

    name: str
    selection: Selection
    begin: Begin
    options: Options
    reading: Reading
    values: Values
    #: Read-backs at a time.
    readers: int

    @classmethod
    def of(cls, keys: Kafka, name: str) -> Self:
        """Return the plan of a source of that name."""
        fetch = keys.fetch
        return cls(
            name=name,
            selection=keys.selection,
            begin=keys.begin,
            options=Options(tuple(keys.brokers), keys.client_id, keys.timeout, keys.tls, keys.sasl),
            reading=Reading(fetch.max, fetch.partition, fetch.wait, keys.isolation, keys.group, keys.member),
            values=Values(keys.decode, keys.registry),
            readers=keys.readers,
        )

    @property
    def stall(self) -> float:
        """Return the seconds after which a partition that answers nothing counts as out of reach.

        A broker answers each fetch after `fetch.wait` at the latest. One that holds us back for a quota does so for
        some seconds; whoever has narrow quotas gives a longer `timeout`.
        """
        return self.options.timeout + self.reading.wait + 1.0
