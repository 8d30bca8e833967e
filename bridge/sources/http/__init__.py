"""The `http` source: pages and APIs that are asked again and again, while somebody listens.

    demand ─▶ follow ─▶ poller ─▶ client (web) ─▶ emission ─▶ outlet
                          ▲                          │
                        polite                     memory

* `model` has the keys, `plan` is what a run goes by;
* `follow` is one run: who is polled, whether the source is up, what a newcomer is greeted with;
* `memory` is what is known of each address, `detail` what the admin port shows of that;
* `poller` asks one address again and again; `polite` says when, `validators` what it may answer 304 to;
* `emission` makes messages of replies; `formats`, `feed`, `items` and `delta` serve it.
"""

from bridge.sources.http.model import Http

__all__ = ["Http"]
