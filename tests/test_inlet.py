"""The door between a source and the bus."""

from collections.abc import AsyncIterator, Sequence

from structlog.testing import capture_logs

from bridge.bus import Bounds, Bus
from bridge.event import Loss, Message
from bridge.inlet import MAX_NAMED, Inlet
from bridge.normalise import Normaliser
from bridge.route import Feed, Route, Terms
from bridge.supervisor import Health, Status
from bridge.template import Template
from tests.hub import attached, history, ids


class Door:
    """An inlet of the source `s`, with all that it leads to."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Status]] = []
        self.bus = Bus("e", Bounds(), lambda: 5.0)
        named = Feed(source="s", event=Template.parse("{a}"))
        self.route: Route = attached(self.bus, Terms(path="/"), named)
        self.health = Health(lambda: 7.0, lambda name, status: self.changes.append((name, status)))
        self.health.add("s")
        self.inlet = Inlet("s", Normaliser("s", capture={}, parses=False), self.bus, self.health, lambda: 3)


def message(text: str, name: str = "tick") -> Message:
    """Make a message whose capture names its event."""
    return Message(payload=text, time=0.0, captures={"a": name})


def test_what_is_emitted_is_published_when_emit_returns():
    """Counted, and under the ids that it returns: the next line may acknowledge."""
    door = Door()
    assert list(door.inlet.emit([message("a"), message("b")])) == ["e-1", "e-2"]
    assert list(door.inlet.emit([])) == []
    assert ids(door.route) == ["e-1", "e-2"]
    assert door.inlet.messages == 2
    assert door.inlet.subscribers() == 3


def test_a_loss_is_told_in_order():
    """Between what was emitted before it and after it."""
    door = Door()
    door.inlet.emit([message("a")])
    door.inlet.lose(Loss(reason="source_rotated", missed=1))
    door.inlet.emit([message("b")])
    assert [name for name, _, _ in history(door.route)] == ["tick", "bridge.gap", "tick"]


def test_up_and_down_are_noted():
    """Under the source's name."""
    door = Door()
    door.inlet.up()
    door.inlet.down("unplugged")
    door.inlet.up()
    assert [(name, status.state, status.error) for name, status in door.changes] == [
        ("s", "down", "unplugged"),
        ("s", "up", None),
    ]


def test_what_is_normalised_alone_is_not_published():
    """It is for one subscriber."""
    door = Door()
    assert [event.text for event in door.inlet.events([message("a")])] == ["a"]
    assert (door.bus.seq, door.inlet.messages) == (0, 0)


class Told:
    """A backlog of two batches."""

    async def read(self, mark: str) -> AsyncIterator[Sequence[tuple[str, Message]]]:
        """Yield them, after a mark that the test looks for."""
        yield [(f"{mark}1", message("a")), ("2", message("b", "not a name"))]
        yield [("3", message("c"))]


async def test_a_backlog_is_read_under_ids_that_name_its_places():
    """The number where live events go on, and the mark; an event without a place there is left out."""
    door = Door()
    reading = door.inlet.read_back(Told(), "m", door.route, {}, lambda mark: f"e-9.{mark}")
    found = [each async for each in reading]
    assert found == [
        ("2", b"id: e-9.m1\nevent: tick\ndata: a\n\n"),
        ("3", b"id: e-9.3\nevent: tick\ndata: c\n\n"),
    ]


def test_what_has_no_place_on_a_route_is_logged():
    """With how many and why, once a batch: an event that vanishes must leave a trace."""
    door = Door()
    with capture_logs() as logs:
        door.inlet.emit([message("a"), message("b", "9x"), message("c", "no name")])
        door.inlet.emit([message("d")])
    [line] = [line for line in logs if line["event"] == "events skipped"]
    assert (line["events"], line["routes"]) == (2, ["/"])
    assert line["reasons"] == ["`event` makes a name that an event may not have"]


def test_the_log_names_the_routes_that_a_batch_missed_some():
    """Those of this batch alone: an older one has its own line."""
    door = Door()
    for number in range(2 * MAX_NAMED):
        attached(door.bus, Terms(path=f"/{number:02}", names=("b",)))
    bound = attached(door.bus, Terms(path="/bound"), Feed(source="s", event=Template.parse("{b}"), bind={"a": "tock"}))
    with capture_logs() as logs:
        door.inlet.emit([message("a")])
        door.inlet.emit([Message(payload="b", time=0.0, captures={"a": "9x", "b": "c"})])
        door.inlet.emit([Message(payload="c", time=0.0, captures={"a": "tock", "b": "9x"})])
    told = [(line["events"], line["routes"]) for line in logs if line["event"] == "events skipped"]
    assert told == [(2 * MAX_NAMED, [f"/{number:02}" for number in range(MAX_NAMED)]), (1, ["/"]), (1, ["/bound"])]
    assert bound.skipped.total() == 1
