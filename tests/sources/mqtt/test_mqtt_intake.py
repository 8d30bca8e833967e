"""Messages to the outlet, and only then their acknowledgements."""

from typing import Any

import pytest

from bridge.event import Loss
from bridge.sources.mqtt import Mqtt
from bridge.sources.mqtt.intake import Intake, Memory
from bridge.sources.mqtt.packets import Splitter
from tests import packets
from tests.tailing import Recorder


class Taken(Recorder):
    """An intake, with all that it says and writes, in order."""

    def __init__(self, *topics: str, memory: Memory | None = None, **keys: Any) -> None:
        super().__init__()
        source = Mqtt.model_validate({"url": "mqtt://b", "topics": list(topics or ("{rest*}",)), **keys})
        self.plan = source._plan("m")
        self.memory = memory or Memory()
        self.intake = Intake(self.plan, self.memory, self, self.wrote.append)
        self.intake.has_ids = self.plan.is_five
        self.intake.is_settled = True

    @property
    def wrote(self) -> list[Any]:
        """Return acknowledgements; they stand among what was heard."""
        return self.heard  # type: ignore[return-value]

    def take(self, *raws: bytes) -> None:
        """Take in packets, as in one turn of the loop."""
        splitter = Splitter(self.plan.max)
        for raw in raws:
            splitter.feed(raw)
        while (packet := splitter.next()) is not None:
            if packet.kind == packets.PUBREL:
                self.intake.release(packet)
            else:
                self.intake.take(packet, 5.0)
        self.intake.flush()

    @property
    def order(self) -> list[Any]:
        """Return payloads, reasons of losses, and bytes written, in their order."""
        return [
            each if isinstance(each, bytes) else (each.reason, each.missed) if isinstance(each, Loss) else each.payload
            for each in self.heard
        ]


def ack(kind: int, id: int) -> bytes:
    """Return an acknowledgement."""
    return packets.packet(kind, id.to_bytes(2, "big"), 2 if kind == packets.PUBREL else 0)


def live(taken: Taken, payload: bytes = b"1", topic: str = "t", **how: Any) -> bytes:
    """Return a live message of a subscription in force."""
    id = taken.plan.topics.filters[0].id + 1
    return packets.publish(topic, payload, properties=packets.properties((packets.SUBSCRIPTION, id)), **how)


def look(taken: Taken, payload: bytes = b"1", topic: str = "t", **how: Any) -> bytes:
    """Return a message that a subscription brought."""
    id = taken.plan.topics.filters[0].id
    given = packets.properties((packets.SUBSCRIPTION, id))
    return packets.publish(topic, payload, retain=True, properties=given, **how)


def test_a_batch_is_emitted_before_it_is_acknowledged_in_one_write():
    """Whatever its QoS."""
    taken = Taken()
    taken.take(live(taken, b"1", qos=1, id=1), live(taken, b"2"), live(taken, b"3", qos=2, id=2))
    assert taken.order == [b"1", b"2", b"3", ack(packets.PUBACK, 1) + ack(packets.PUBREC, 2)]


def test_an_outlet_that_fails_leaves_all_unacknowledged():
    """The broker sends it again."""
    taken = Taken()

    def fail(_messages):
        raise OSError

    taken.emit = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match=r".*"):
        taken.take(live(taken, qos=1, id=1))
    assert taken.heard == []


def test_a_message_has_what_its_topic_and_its_sender_say():
    """The key is the topic, the time is the arrival."""
    taken = Taken("plants/{plant}/{metric}")
    given = packets.properties(
        (packets.CONTENT_TYPE, "application/json"), (packets.EXPIRY, 60), (packets.USER, ("region", "eu"))
    )
    taken.take(packets.publish("plants/oslo/temp", b"21", qos=1, id=1, dup=True, properties=given))
    (message,) = taken.messages
    assert message.captures == {"plant": "oslo", "metric": "temp"}
    assert message.subject == message.key == "plants/oslo/temp"
    assert message.headers == {"region": "eu"}
    assert message.content_type == "application/json"
    assert message.time == 5.0
    assert message.facts == {
        "topic": "plants/oslo/temp",
        "qos": 1,
        "retained": 0,
        "dup": 1,
        "content_type": "application/json",
        "expiry": 60,
    }


def test_a_message_of_qos_2_is_emitted_once_until_it_is_released():
    """Also over another connection."""
    taken = Taken()
    taken.take(live(taken, qos=2, id=7))
    again = Taken(memory=taken.memory)
    again.take(live(again, qos=2, id=7, dup=True), ack(packets.PUBREL, 7), live(again, b"2", qos=2, id=7))
    assert again.order == [b"2", ack(packets.PUBREC, 7) + ack(packets.PUBCOMP, 7) + ack(packets.PUBREC, 7)]


def test_a_release_of_what_nobody_knows_is_answered():
    """Else the broker would ask for ever."""
    taken = Taken()
    taken.take(ack(packets.PUBREL, 9))
    assert taken.order == [ack(packets.PUBCOMP, 9)]


def test_copies_of_overlapping_subscriptions_are_one_event_and_all_acknowledged():
    """The one for the first filter counts."""
    taken = Taken("a/{x}", "a/{rest*}")
    ids = [each.id + 1 for each in taken.plan.topics.filters]
    copies = [
        packets.publish("a/b", b"1", qos=1, id=n, properties=packets.properties((packets.SUBSCRIPTION, id)))
        for n, id in enumerate(ids, 1)
    ]
    both = packets.publish(
        "a/b", b"2", properties=packets.properties(*((packets.SUBSCRIPTION, id) for id in reversed(ids)))
    )
    taken.take(*copies, both)
    assert taken.order == [b"1", b"2", ack(packets.PUBACK, 1) + ack(packets.PUBACK, 2)]


def test_what_an_older_configuration_had_queued_is_taken_until_our_own_subscriptions_are_in_force():
    """It has no other copy; later ones have."""
    taken = Taken()
    taken.intake.is_settled = False
    old = packets.publish("t", b"old", properties=packets.properties((packets.SUBSCRIPTION, 1)))
    taken.take(old)
    taken.intake.is_settled = True
    taken.take(old)
    assert taken.order == [b"old"]


def test_what_a_subscription_brings_is_told_apart_and_once():
    """A live one is not, although it is retained, and may say the same twice."""
    taken = Taken()
    taken.take(look(taken), look(taken, qos=1, id=1), live(taken, retain=True), live(taken, retain=True))
    assert [(each.payload, each.facts["retained"]) for each in taken.messages] == [(b"1", 1), (b"1", 0), (b"1", 0)]
    assert taken.heard[-1] == ack(packets.PUBACK, 1)


@pytest.mark.parametrize(
    ("version", "retain", "expected"), [(5, True, True), (5, False, False), ("3.1.1", False, True)]
)
def test_a_cleared_message_is_a_tombstone(version, retain, expected):
    """MQTT 5 tells it from an empty one; on 3.1.1 any empty one is."""
    taken = Taken(version=version)
    if version == 5:
        taken.take(live(taken, b"", retain=retain))
    else:
        taken.take(packets.publish("t", b"", properties=None))
    assert [each.is_tombstone for each in taken.messages] == [expected]


def test_a_message_of_qos_0_is_remembered_and_a_retained_one_is_not():
    """What comes so while there is no connection is lost."""
    taken = Taken()
    taken.take(look(taken), live(taken, qos=1, id=1))
    assert not taken.memory.heard_zero
    taken.take(live(taken))
    assert taken.memory.heard_zero


def test_losses_stand_in_their_place_and_those_of_a_row_are_one():
    """Too large, not what it should be, no topic."""
    taken = Taken(max="1KiB", decode="json")
    large = live(taken, b"x" * 2000, qos=1, id=1)
    bad = live(taken, b"{", qos=1, id=2)
    no_topic = packets.publish(b"\xff", b"1", qos=1, id=3)
    taken.take(live(taken, b"1"), large, bad, bad, no_topic, live(taken, b"2"))
    assert taken.order[:-1] == [b"1", ("oversize", 1), ("undecodable", 2), ("undecodable", 1), b"2"]
    assert taken.order[-1] == b"".join(ack(packets.PUBACK, id) for id in (1, 2, 2, 3))


def test_what_no_template_takes_is_acknowledged_and_dropped():
    """The broker's filter is wider than ours."""
    taken = Taken("rooms/dev-{id}")
    taken.take(packets.publish("rooms/x", b"1", qos=1, id=1))
    assert taken.order == [ack(packets.PUBACK, 1)]


class Failing(Taken):
    """An outlet that fails from a given call on: to emit or to tell a loss."""

    def __init__(self, *topics: str, after: int = 0, **keys: Any) -> None:
        super().__init__(*topics, **keys)
        self._left = after

    def emit(self, messages):
        """Emit, or fail."""
        self._count()
        return super().emit(messages)

    def lose(self, loss):
        """Tell a loss, or fail."""
        self._count()
        super().lose(loss)

    def take(self, *raws: bytes) -> None:
        """Take packets in as a session does: it flushes also where taking failed."""
        try:
            super().take(*raws)
        finally:
            self.intake.flush()

    def fail(self, *raws: bytes) -> None:
        """Take packets in, and fail."""
        with pytest.raises(OSError, match="full"):
            self.take(*raws)

    def _count(self) -> None:
        if not self._left:
            raise OSError("full")
        self._left -= 1


def test_a_message_of_qos_2_that_was_not_emitted_is_no_repetition_when_it_comes_again():
    """Its identifier is held when the outlet has it."""
    taken = Failing()
    taken.fail(live(taken, qos=2, id=7), live(taken, b"2", qos=1, id=8))
    assert taken.heard == []
    assert not taken.memory.held
    again = Taken(memory=taken.memory)
    again.take(live(again, qos=2, id=7, dup=True), live(again, b"2", qos=1, id=8, dup=True))
    assert again.order == [b"1", b"2", ack(packets.PUBREC, 7) + ack(packets.PUBACK, 8)]
    assert again.memory.held == {7}


@pytest.mark.parametrize(
    ("after", "heard", "held"),
    [(0, [], set()), (1, [b"1"], {1}), (2, [b"1", ("undecodable", 1)], {1, 2})],
)
def test_only_what_the_outlet_took_before_it_failed_is_held(after, heard, held):
    """A message, a loss, a message: wherever it fails, nothing is acknowledged, and nothing after it is given."""
    taken = Failing(after=after, decode="json")
    payloads = (b"1", b"{", b"3")
    taken.fail(*(live(taken, payload, qos=2, id=id) for id, payload in enumerate(payloads, 1)))
    assert taken.order == heard
    assert taken.memory.held == held
    again = Taken(memory=taken.memory, decode="json")
    again.take(*(live(again, payload, qos=2, id=id, dup=True) for id, payload in enumerate(payloads, 1)))
    assert [*heard, *again.order[:-1]] == [b"1", ("undecodable", 1), b"3"]
    assert again.order[-1] == b"".join(ack(packets.PUBREC, id) for id in (1, 2, 3))


def test_what_a_subscription_brings_is_news_again_where_it_was_not_emitted():
    """Also where a loss comes after it, and where the outlet took what came before."""
    taken = Failing(after=1, decode="json")
    taken.fail(look(taken, b"1", "a", qos=1, id=1), live(taken, b"{"), look(taken, b"2", "b", qos=1, id=2))
    assert taken.order == [b"1"]
    again = Taken(memory=taken.memory)
    again.take(look(again, b"1", "a", qos=1, id=1, dup=True), look(again, b"2", "b", qos=1, id=2, dup=True))
    assert again.order == [b"2", ack(packets.PUBACK, 1) + ack(packets.PUBACK, 2)]


def test_a_live_message_that_was_not_emitted_is_news_when_a_subscription_brings_it():
    """It was retained; of QoS 0 nobody sends it again otherwise."""
    taken = Failing()
    taken.fail(live(taken, retain=True))
    again = Taken(memory=taken.memory)
    again.take(look(again))
    assert again.order == [b"1"]


@pytest.mark.parametrize(("version", "expected"), [(5, [b"2"]), ("3.1.1", [b"2", b"1"])])
@pytest.mark.parametrize("is_one_turn", [True, False])
def test_a_live_message_is_the_last_word_where_it_is_retained_or_may_be(version, expected, is_one_turn):
    """MQTT 5 tells that it is not; on 3.1.1 what was retained before is news once more."""
    taken = Taken(version=version)
    given = packets.properties() if version == 5 else None
    first, second = (
        (look(taken), live(taken, b"2"))
        if version == 5
        else (
            packets.publish("t", b"1", retain=True, properties=given),
            packets.publish("t", b"2", properties=given),
        )
    )
    for turn in [(first, second, first)] if is_one_turn else [(first,), (second,), (first,)]:
        taken.take(*turn)
    assert taken.order == [b"1", *expected]


def test_a_new_message_under_a_held_identifier_is_emitted_on_a_new_connection():
    """A broker with an older store does not know that it gave the number away; its own repetitions say so."""
    taken = Taken()
    taken.take(live(taken, qos=2, id=7))
    again = Taken(memory=taken.memory)
    again.take(live(again, b"2", qos=2, id=7), live(again, b"2", qos=2, id=7))
    assert again.order == [b"2", ack(packets.PUBREC, 7) * 2]
    third = Taken(memory=taken.memory)
    third.take(live(third, b"2", qos=2, id=7, dup=True), live(third, b"2", qos=2, id=7))
    assert third.order == [ack(packets.PUBREC, 7) * 2]


def test_a_new_message_under_a_held_identifier_that_was_not_emitted_is_no_repetition():
    """What was held was of the older one."""
    taken = Taken()
    taken.take(live(taken, qos=2, id=7))
    failing = Failing(memory=taken.memory)
    failing.fail(live(failing, b"2", qos=2, id=7))
    again = Taken(memory=taken.memory)
    again.take(live(again, b"2", qos=2, id=7, dup=True))
    assert again.order == [b"2", ack(packets.PUBREC, 7)]


def test_an_identifier_is_free_after_its_release_also_within_one_turn():
    """On the connection that it came over, too."""
    taken = Taken()
    taken.take(live(taken, qos=2, id=7), live(taken, qos=2, id=7), ack(packets.PUBREL, 7))
    assert not taken.memory.held
    taken.take(live(taken, b"2", qos=2, id=7))
    assert [each for each in taken.order if each in {b"1", b"2"}] == [b"1", b"2"]
