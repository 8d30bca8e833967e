"""Notices for streams that a task feeds: a source went down, or came back.

A live stream reads them in its channel, in their place. One that is read back may wait for that very source, and go on
in the channel behind them; so it is told at once. Where it goes on before them, it hears them once more.
"""

from collections.abc import Iterable

from bridge.gateway.subscriber import Subscriber


class Notices:
    """What is still to be told, of each source the newest: a peer that takes nothing is owed no more than that."""

    def __init__(self) -> None:
        self._owed: dict[Subscriber, dict[str, bytes]] = {}

    def tell(self, subscribers: Iterable[Subscriber], source: str, frame: bytes) -> None:
        """Tell those that a task feeds and whose route says `notify: source`."""
        for subscriber in subscribers:
            route = subscriber.endpoint.supply.route
            if subscriber.is_feeding and route.terms.notifies and source in route.feeds:
                self._owed.setdefault(subscriber, {})[source] = frame
                if subscriber.connection.is_ready:
                    self.settle(subscriber)

    def settle(self, subscriber: Subscriber) -> None:
        """Write what is owed; not while an earlier call still has bytes to write."""
        frames = self._owed.pop(subscriber, None)
        if frames is not None and not subscriber.connection.is_closing:
            subscriber.connection.send(b"".join(frames.values()))

    def forget(self, subscriber: Subscriber) -> None:
        """Owe nothing to a stream that is over."""
        self._owed.pop(subscriber, None)
