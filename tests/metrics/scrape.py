"""A scrape as Prometheus would read it, and the list of what tests have seen to change."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bridge.metrics.metric import PREFIX
from tests.support import Client, Served

OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

T = TypeVar("T")

#: Metrics of the catalogue, by name without prefix and suffix, that some test sees change.
SEEN: set[str] = set()


class Scrape(NamedTuple):
    """What one scrape said."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def parse(cls, text: str, *, is_open: bool = False) -> "Scrape":
        """Read a scrape with the parser of its format, which is strict."""
        families = (parse_open if is_open else parse_text)(text)
        found = [sample for family in families for sample in family.samples]
        samples = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}
        assert len(samples) == len(found), "a series stands twice"
        return cls(samples)

    def get(self, name: str, **labels: str) -> float | None:
        """Return one value; None where there is no such series."""
        return self.samples.get((PREFIX + name, frozenset(labels.items())))

    def of(self, name: str, **labels: str) -> float:
        """Return one value, which is there."""
        value = self.get(name, **labels)
        assert value is not None, f"{name}{labels} is missing"
        return value

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the labels of each series of a name."""
        return [dict(labels) for each, labels in self.samples if each == PREFIX + name]


async def asked(port: int, *, accept: str = "", method: str = "GET", path: str = "/-/metrics") -> Client:
    """Ask a listener for a scrape, and return the whole answer."""
    client = await Client.to(port)
    headers = f"Accept: {accept}\r\n" if accept else ""
    await client.ask(path, method=method, headers=f"{headers}Connection: close\r\n")
    await client.rest()
    client.close()
    return client


async def scraped(served: Served, accept: str = "") -> Scrape:
    """Scrape the admin port."""
    client = await asked(served.bridge.admin.port, accept=accept)
    assert client.status == 200, client.raw
    return Scrape.parse(client.body.decode(), is_open=bool(accept))


def sees(*names: str) -> Callable[[T], T]:
    """Note the metrics that a test sees change."""
    SEEN.update(names)
    return lambda test: test


def rises(before: Scrape, after: Scrape, *names: str, **labels: str) -> None:
    """Require of each that it has grown."""
    for name in names:
        assert after.of(name, **labels) > before.of(name, **labels), name
