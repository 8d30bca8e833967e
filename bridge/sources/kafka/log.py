"""The topics as a log: where the source stands in them, and how they are read back."""

from typing import Final

from bridge.position import Position
from bridge.sources.base import Backlog
from bridge.sources.kafka import begin
from bridge.sources.kafka.backlog import LogBacklog, NumberedBacklog
from bridge.sources.kafka.plan import Plan
from bridge.sources.kafka.reader import Turns
from bridge.sources.kafka.scene import Scene
from bridge.sources.kafka.stand import Stand
from bridge.sources.kafka.trouble import FAILURES, LostError, words

#: Seconds to wait for what another replica has read already: twice what a reconnect takes.
REACH: Final = 10.0

#: The same where a topic is not known here: the next look at the topics tells of it.
UNKNOWN: Final = 3.0


class KafkaLog:
    """What `Place.log` offers."""

    def __init__(self, plan: Plan, stand: Stand) -> None:
        self._plan = plan
        self._stand = stand
        self._turns = Turns(plan)

    @property
    def start(self) -> Position:
        """Return where this process began, or went on after a loss."""
        return self._stand.start

    @property
    def head(self) -> Position:
        """Return the place just after the last message emitted."""
        return self._stand.head

    def back(self) -> Backlog:
        """Return all that the topics still have, up to the head of this instant."""
        return LogBacklog(self._plan, self._turns, self._scene())

    def numbered(self, number: int) -> Backlog | None:
        """Return what was emitted after a number; None when that is forgotten."""
        runs = self._stand.ledger.after(number)
        return None if runs is None else NumberedBacklog(self._plan, self._turns, self._scene(), list(runs))

    async def reach(self, position: Position) -> bool:
        """Wait until all before the position has been emitted."""
        known = {part.tag for part in self._stand.next}
        return await self._stand.reach(position, REACH if position.offsets.keys() <= known else UNKNOWN)

    async def at(self, time: float) -> Position:
        """Return the place before the first record that is not older; raises `SourceError`."""
        scene = self._scene()
        partitions = scene.partitions()
        async with self._turns.consumer() as consumer:
            try:
                found = await begin.at(consumer, list(partitions), time)
            except FAILURES as error:
                raise LostError(words(error, self._plan.options.brokers[0])) from error
        # Nothing is asked for of what is deleted, or cannot be read: it would keep all else from being read.
        beside = {part: scene.head.next(part) for part in scene.away | scene.gone}
        return Position.of({**beside, **{part: found[each] for each, part in partitions.items()}}.items())

    def _scene(self) -> Scene:
        stand = self._stand
        return Scene(stand.head, stand.origins, frozenset(stand.holed), stand.seen, stand.away, stand.gone)
