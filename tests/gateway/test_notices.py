"""What a stream that a task feeds is told at once."""

from typing import Any, cast

from bridge.gateway.notices import Notices
from bridge.gateway.subscriber import Subscriber


class Fed:
    """A stream that a task feeds, its connection and its route: what is asked of them is here."""

    def __init__(self, *feeds: str, notifies: bool = True) -> None:
        self.endpoint = self.supply = self.route = self.terms = self.connection = self
        self.feeds, self.notifies = feeds, notifies
        self.is_feeding = self.is_ready = True
        self.is_closing = False
        self.sent: list[bytes] = []

    def send(self, frames: bytes) -> None:
        """Note what is written."""
        self.sent.append(frames)


def fed(*feeds: str, **more: Any) -> tuple[Fed, Subscriber]:
    """Return a stream, also as what it stands for."""
    made = Fed(*feeds, **more)
    return made, cast("Subscriber", made)


def test_only_whom_it_concerns_is_told() -> None:
    """A stream of that source, on a route that notifies, while a task feeds it: else its channel tells."""
    notices = Notices()
    ours, other, quiet, live = fed("s", "t"), fed("t"), fed("s", notifies=False), fed("s")
    live[0].is_feeding = False
    notices.tell([each for _, each in (ours, other, quiet, live)], "s", b"down")
    assert [made.sent for made, _ in (ours, other, quiet, live)] == [[b"down"], [], [], []]


def test_a_peer_that_takes_nothing_is_owed_the_newest_of_each_source() -> None:
    """A source that comes and goes meanwhile fills no memory."""
    notices = Notices()
    made, stream = fed("s", "t")
    made.is_ready = False
    for source, frame in (("s", b"s down;"), ("t", b"t down;"), ("s", b"s up;")):
        notices.tell([stream], source, frame)
    assert made.sent == []
    notices.settle(stream)
    notices.settle(stream)
    assert made.sent == [b"s up;t down;"]


def test_a_stream_that_is_over_is_told_nothing() -> None:
    """Its farewell stands last, and nothing of it is kept."""
    notices = Notices()
    for is_forgotten in (True, False):
        made, stream = fed("s")
        made.is_ready, made.is_closing = False, True
        notices.tell([stream], "s", b"down")
        if is_forgotten:
            notices.forget(stream)
        notices.settle(stream)
        assert made.sent == []
