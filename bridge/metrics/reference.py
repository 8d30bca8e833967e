"""Write `docs/metrics.md` of the catalogue: `python -m bridge.metrics.reference`, which `make fix` runs."""

from pathlib import Path
from typing import Any, Final

from bridge.meter import BUCKETS
from bridge.metrics.catalogue import FOREIGN, SECTIONS
from bridge.metrics.metric import Metric, Section

PATH: Final = Path(__file__).parents[2] / "docs" / "metrics.md"

_HEAD: Final = """# Metrics

`/-/metrics` on the health listener and on the admin port, in OpenMetrics or in Prometheus' text format by the Accept
header. Alerts on them: [alerts.md](alerts.md); why they are as they are: [why/metrics.md](why/metrics.md). A dashboard
is in `deploy/grafana/`, rules are in `deploy/prometheus/`.

Labels are names of `routes.yaml` and the words below. Channels, peers, topics and files are never labels. A route or a
source that a reload takes away takes its series with it. Counters begin at 0 with the process.

This page is generated: `make fix` writes it.
"""


def reference() -> str:
    """Return the page."""
    buckets = ", ".join(f"{bound:g}" for bound in BUCKETS)
    foreign = "".join(f"| `{name}` | {words} |\n" for name, words in FOREIGN.items())
    return "\n".join(
        [
            _HEAD,
            *map(_section, SECTIONS),
            f"Upper bounds of the buckets of `sse_bridge_route_latency_seconds`, in seconds: {buckets}.\n",
            "## What prometheus-client tells\n\nWhere the system has `/proc`.\n",
            f"| metric | what it tells |\n|---|---|\n{foreign}",
        ]
    )


def _section(section: Section[Any]) -> str:
    label = f"Each has the label `{section.label}`.\n\n" if section.label else ""
    head = "| metric | type | label | what it is | what it tells |\n|---|---|---|---|---|\n"
    rows = "".join(_row(metric) for metric in section.metrics)
    return f"## {section.title}\n\n{label}{head}{rows}"


def _row(metric: Metric[Any]) -> str:
    label = f"`{metric.label}`" if metric.label else ""
    name = metric.family if metric.kind == "histogram" else metric.sample
    return f"| `{name}` | {metric.kind} | {label} | {_cell(metric.help)} | {_cell(metric.means)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the file."""
    PATH.write_text(reference(), "utf-8")


if __name__ == "__main__":
    main()
