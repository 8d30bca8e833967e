"""Whether records could come."""

from aiokafka import TopicPartition

from bridge.sources.kafka.pulse import Pulse
from tests.fake_kafka import FakeConsumer

A, B = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Clock:
    """A time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return it."""
        return self.now


def watched(consumer: FakeConsumer) -> tuple[Pulse, Clock]:
    """Watch two partitions, with a patience of ten seconds."""
    clock = Clock()
    consumer.assign([A, B])
    pulse = Pulse(consumer, 10.0, clock)
    pulse.follow([A, B])
    return pulse, clock


def test_all_is_well_when_every_partition_has_answered(consumer: FakeConsumer) -> None:
    """Also one that has nothing; but not one that is paused."""
    pulse, _ = watched(consumer)
    assert not pulse.is_whole
    consumer.polls[A] = 1
    assert not pulse.is_whole
    consumer.pause(B)
    assert pulse.is_whole


def test_a_partition_that_does_not_answer_stalls(consumer: FakeConsumer) -> None:
    """The others do not hide it, and its answer ends it."""
    pulse, clock = watched(consumer)
    for clock.now in (4.0, 8.0, 12.0):
        consumer.polls[A] = int(clock.now)
        stalled = pulse.stalled()
    assert stalled == [B]
    consumer.polls[B] = 13
    assert pulse.stalled() == []


def test_what_is_not_asked_does_not_stall(consumer: FakeConsumer) -> None:
    """A paused partition, and all of them while nobody fetches."""
    pulse, clock = watched(consumer)
    consumer.pause(A, B)
    for clock.now in (8.0, 16.0):
        assert pulse.stalled() == []
    consumer.resume(A, B)
    clock.now = 24.0
    pulse.rest()
    clock.now = 33.0
    assert pulse.stalled() == []
    clock.now = 35.0
    assert pulse.stalled() == [A, B]
