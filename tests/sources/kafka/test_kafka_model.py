"""The keys."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.sources.kafka import Kafka, model
from bridge.sources.kafka.plan import Plan


def made(**keys: Any) -> Kafka:
    """Make a source of these keys and what none can do without."""
    return Kafka.model_validate({"brokers": ["kafka:9092"], "topics": ["orders"], **keys}, context={"environ": {}})


def test_two_keys_are_enough() -> None:
    """It reads all partitions from now on, as the log that they are."""
    source = made()
    assert (source.begin, source.decode, source.group) == ("latest", "auto", None)
    assert source.is_log
    assert source.facts() == {"topic", "partition", "offset"}
    assert source.names() == frozenset()
    plan = Plan.of(source, "k")
    assert plan.stall == source.timeout + source.fetch.wait + 1
    assert plan.reading.back.partition_bytes <= plan.reading.partition_bytes


def test_all_keys() -> None:
    """Each goes where it belongs."""
    source = made(
        topics=["orders.{region}"],
        decode="avro",
        registry={"url": "http://registry:8081"},
        begin="earliest",
        group="g",
        member="m",
        isolation="read_committed",
        tls={},
        sasl={"mechanism": "OAUTHBEARER", "token": {"file": "/t"}},
        client_id="c",
        fetch={"max": "2MiB", "partition": "1MiB", "wait": "100ms"},
        timeout="5s",
        readers=1,
    )
    plan = Plan.of(source, "k")
    assert source.names() == {"region"}
    assert not source.is_log
    assert plan.options.client_id == "c"
    assert plan.reading.group == "g"
    assert plan.reading.back.group is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"brokers": []}, "kafka:9092"),
        ({"brokers": ["kafka"]}, "host and port"),
        ({"brokers": ["kafka:0"]}, "host and port"),
        ({"brokers": ["kafka:70000"]}, "host and port"),
        ({"brokers": ["http://kafka:9092"]}, "host and port"),
        ({"brokers": ["kafka:9092"] * (model.MAX_BROKERS + 1)}, "at most 32"),
        ({"topics": []}, "for example orders"),
        ({"topics": ["a b"]}, "letters, digits"),
        ({"topics": ["{a}{b}"]}, "column"),
        ({"topics": None}, "either `topics` or `pattern`"),
        ({"pattern": "x"}, "either `topics` or `pattern`"),
        ({"topics": None, "pattern": "("}, "regular expression"),
        ({"topics": None, "pattern": "x" * 2000}, "1024"),
        ({"topics": None, "pattern": f"(?P<{'a' * 65}>x)"}, "a group's name"),
        ({"group": "a b"}, "letters, digits"),
        ({"member": "m"}, "within a `group`"),
        ({"group": "g", "begin": {"since": "10m"}}, "`latest` or `earliest`"),
        ({"decode": "avro"}, "belong together"),
        ({"registry": {"url": "http://registry"}}, "belong together"),
        ({"fetch": {"max": "1B"}}, "1KiB"),
        ({"fetch": {"wait": "1h"}}, "10ms to 30s"),
        ({"timeout": "1ms"}, "1s to 5m"),
        ({"readers": 0}, "greater"),
        ({"begin": {"offsets": {}}}, "offsets"),
        ({"security_protocol": "SSL"}, "xtra"),
    ],
)
def test_what_is_wrong_is_said(keys: dict, said: str) -> None:
    """With what is expected instead; there is no way through to the library's own options."""
    with pytest.raises(ValidationError, match=said):
        made(**keys)


@pytest.mark.parametrize("broker", ["kafka-0.kafka:9092", "127.0.0.1:9092", "[::1]:9092"])
def test_brokers(broker: str) -> None:
    """Names and addresses, of both families."""
    assert made(brokers=[broker]).brokers == [broker]
