"""What a cluster says that it is made of."""

import uuid
from io import BytesIO
from types import SimpleNamespace

from aiokafka.protocol.metadata import MetadataRequest

from bridge.sources.kafka import metadata
from bridge.sources.kafka.metadata import Broker, Question, Topic, catalog, question

ID = uuid.UUID("5e9953e1-fb03-49f6-a3bc-1220dd3cea93")


def answer() -> bytes:
    """Write what a broker of version 10 says of two topics, one of which is unknown."""
    partition = (0, 0, 1, 7, [1], [1], [], {})
    return metadata._Answer(
        0,
        [(1, "kafka-0", 9092, None, {})],
        "cluster",
        1,
        [(0, "orders", ID.bytes, False, [partition], -1, {}), (3, "nope", bytes(16), False, [], -1, {})],
        -1,
        {},
    ).encode()


def test_topics_have_their_ids() -> None:
    """An id tells a topic from an earlier one of its name; one that is unknown has none."""
    found = catalog(metadata._Answer.decode(BytesIO(answer())))
    assert found.cluster == "cluster"
    assert found.brokers == {1: Broker("kafka-0", 9092)}
    assert found.topics["orders"] == Topic("orders", str(ID), {0: 1})
    assert found.topics["nope"] == Topic("nope", "", {}, error=metadata.UNKNOWN_TOPIC)
    assert str(found.brokers[1]) == "kafka-0:9092"


def test_older_brokers_tell_no_ids() -> None:
    """Versions 0 and 5 have the rest."""
    partition = (0, 2, 1, [1], [1], [])
    five = SimpleNamespace(
        API_VERSION=5, brokers=[(1, "k", 9092, None)], cluster_id="c", topics=[(0, "orders", True, [partition])]
    )
    assert catalog(five).topics["orders"] == Topic("orders", "", {2: 1}, is_internal=True)
    zero = SimpleNamespace(API_VERSION=0, brokers=[(1, "k", 9092)], topics=[(0, "orders", [(0, 0, -1, [], [])])])
    assert catalog(zero).topics["orders"] == Topic("orders", "", {0: -1})
    assert catalog(zero).cluster == ""


def test_a_question_makes_no_topic() -> None:
    """A broker that makes topics as they are asked for must not make one that was deleted."""
    new = question({metadata.KEY: (0, 13)}, ["orders"])
    assert isinstance(new, Question)
    struct = new.build(metadata._Question)
    assert struct.topics == [(bytes(16), "orders", {})]
    assert struct.allow_auto_topic_creation is False
    assert new.build(metadata._Question).encode()
    assert Question(None).build(metadata._Question).topics is None
    old = question({metadata.KEY: (0, 7)}, ["orders"])
    assert isinstance(old, MetadataRequest)
    assert old.prepare({metadata.KEY: (0, 7)}).allow_auto_topic_creation is False
