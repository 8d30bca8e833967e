"""The `sse` source: another server's event stream, over one connection however many listen here.

Files in the order in which the data travels:

    model       the keys, and `run`
    plan        what the keys say, made ready
    follow      which addresses are read              memory    where each stands, over restarts too
    upstream    one address: a connection after another         standing  how the source is, from how they are
    session     one connection: from the request to its end     refusal   why an answer is no stream, in words
    decoder     bytes into events
    emission    events into messages

`docs/why/upstream-streams.md` has the reasons for what is decided here.
"""

from bridge.sources.sse.model import Sse

__all__ = ["Sse"]
