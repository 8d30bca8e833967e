"""What `/-/metrics` says: live state, read when somebody asks.

    live objects ─▶ routes, sources, process: a view of each, and the metrics of that view
                        │
                        ▼
    catalogue: every metric ─▶ text: lines in both formats ─▶ page: the answer
                        └────▶ reference: docs/metrics.md

Rule 1: nothing is kept twice. What is counted is counted where it happens; the rest is looked at here, at the scrape.
Rule 2: labels are names of the configuration and words of ours. Channels, peers, topics and files are never labels.
Rule 3: a scrape gives way every few hundred lines: a bridge of 500 routes and 10,000 streams goes on writing meanwhile.
"""

from bridge.metrics.live import Live
from bridge.metrics.page import Page

__all__ = ["Live", "Page"]
