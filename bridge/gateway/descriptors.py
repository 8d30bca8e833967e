"""File descriptors: take what the system allows, and keep some back.

A process that runs out of them cannot accept, cannot open its next log file, and cannot even say so. So the soft limit
is raised to the hard one, and streams get only a part of it.
"""

import resource
from typing import Final

#: A hard limit of a billion (some container runtimes) is no plan: a million streams is past what one process carries.
MOST: Final = 1_048_576

#: Kept back: a quarter, for files that sources hold open, checkpoints, the other listeners and the loop itself...
RESERVE_SHARE: Final = 4

#: ...but 64 at least, which is what a bridge of a handful of files needs, and 8,192 at most: the file source's own
#: bound lies below it.
RESERVE_LEAST: Final = 64
RESERVE_MOST: Final = 8_192

#: Connections that no stream may take: a sixteenth. A stream too many needs one for the moment in which it is told to
#: come back later (200 and `retry`); without it newcomers would wait, unanswered, for a stream to end.
HANDSHAKE_SHARE: Final = 16


#: Requests on their way to an application: a quarter of the connections. Each takes a second descriptor, for its
#: connection to there, which is kept back as well; and streams and probes keep their room when an application hangs.
PROXIED_SHARE: Final = 4


def raise_limit() -> int:
    """Raise the soft limit to the hard one; return what holds afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY:  # which is -1
        return MOST
    if soft >= wanted:
        return min(soft, MOST)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        # macOS reports no hard limit and still refuses above its own; what we have is enough to start with.
        return soft
    return wanted


def connections(limit: int, *, proxies: bool = False) -> int:
    """Return how many of `limit` descriptors connections may take; the rest is kept back."""
    reserve = min(max(limit // RESERVE_SHARE, RESERVE_LEAST), RESERVE_MOST)
    most = max(limit - reserve, 1)
    return max(most - proxied(limit), 1) if proxies else most


def proxied(limit: int) -> int:
    """Return how many requests may be on their way to an application at a time."""
    return max(connections(limit) // PROXIED_SHARE, 1)


def streams(limit: int, *, proxies: bool = False) -> int:
    """Return how many of `limit` descriptors open streams may take: fewer than connections."""
    most = connections(limit, proxies=proxies)
    return max(most - max(most // HANDSHAKE_SHARE, 1), 1)
