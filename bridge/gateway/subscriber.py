"""One open stream as the pump sees it, and those who are at the head of one channel."""

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

from bridge import wire
from bridge.channel import Channel
from bridge.gateway.connection import Connection
from bridge.gateway.endpoint import Endpoint, Heartbeat
from bridge.gateway.framing import Framing
from bridge.meter import Meter
from bridge.subscription import Subscription


class Subscriber:
    """One open stream: its connection, its cursor, its place in an audience."""

    __slots__ = (
        "_joined",
        "audience",
        "connection",
        "due",
        "endpoint",
        "is_feeding",
        "left",
        "peer",
        "retry",
        "subscription",
    )

    def __init__(
        self,
        subscription: Subscription,
        connection: Connection,
        endpoint: Endpoint,
        *,
        retry: int,
        left: Callable[["Subscriber"], None],
    ) -> None:
        self.subscription = subscription
        self.connection = connection
        self.endpoint = endpoint
        #: The address, where streams are counted by it.
        self.peer = ""
        #: Milliseconds after which this peer is asked to come back.
        self.retry = retry
        #: When it is as old as it may get, of the loop's clock.
        self.due = math.inf
        #: Called once when the stream is over.
        self.left = left
        #: The group it is in while it is at the head.
        self.audience: Audience | None = None
        #: A task writes to it: a run of its own, or a source read back.
        self.is_feeding = False
        self._joined = 0

    @property
    def meter(self) -> Meter:
        """Return what its route counts."""
        return self.endpoint.supply.route.meter

    @property
    def delivered(self) -> int:
        """Count the events that this stream was given."""
        live = self.audience.events - self._joined if self.audience is not None else 0
        return self.subscription.delivered + live

    def join(self, audience: "Audience") -> None:
        """Note that the pump moves the cursor from here on."""
        self.audience = audience
        self._joined = audience.events

    def leave(self) -> None:
        """Take the cursor back from the pump."""
        if self.audience is not None:
            self.subscription.leave(self.audience.position, self.audience.events - self._joined)
            self.audience = None

    def farewell(self, reason: str) -> bytes:
        """Return the frames that stand last when the gateway ends the stream on purpose."""
        told: dict[str, object] = {
            "reason": reason,
            "reconnect_in": self.retry,
            "delivered": self.delivered,
            "missed": self.subscription.missed,
        }
        return wire.retry(self.retry) + wire.control("bye", told)


class Greeting(NamedTuple):
    """The present values of a channel, as a newcomer is given them."""

    frames: bytes = b""
    #: How many there are.
    events: int = 0
    #: The ordinal that the channel had reached.
    at: int = 0


class Audience:
    """Those who are at the head of one channel."""

    __slots__ = (
        "channel",
        "events",
        "greeting",
        "heartbeat",
        "is_stale",
        "last",
        "members",
        "meter",
        "position",
        "pulse",
        "users",
    )

    def __init__(self, channel: Channel, heartbeat: Heartbeat | None, meter: Meter) -> None:
        self.channel = channel
        self.heartbeat = heartbeat
        #: What its route counts.
        self.meter = meter
        #: By framing, since each gets bytes of its own.
        self.members: dict[Framing, set[Subscriber]] = {}
        #: The ordinal up to which all of them were written to, and the events up to there.
        self.position = channel.next
        self.events = channel.events
        #: When they were last written to.
        self.last = 0.0
        self.pulse: asyncio.TimerHandle | None = None
        self.is_stale = False
        #: What newcomers were given last, where it is large.
        self.greeting: Greeting | None = None
        #: Streams on this channel, those that lag or are fed by a task included.
        self.users = 0
