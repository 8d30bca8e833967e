"""Which topics and partitions there are to read."""

import pytest
from structlog.testing import capture_logs

from bridge.sources.kafka import survey as module
from bridge.sources.kafka.metadata import UNAUTHORISED, UNKNOWN_TOPIC, Broker
from bridge.sources.kafka.survey import Survey, Surveyor
from bridge.sources.kafka.topics import Selection
from tests.fake_kafka import FakeLink, topic


def surveyor(link: FakeLink, *topics: str, pattern: str | None = None) -> Surveyor:
    """Make the surveyor of some topics."""
    return Surveyor("k", Selection(topics, pattern), link)  # type: ignore[arg-type]


async def test_topics_by_name_are_asked_for_by_name(link: FakeLink) -> None:
    """Nobody lists a cluster for one topic."""
    link.make("orders", "1", 1, 1)
    link.make("other")
    found = await surveyor(link, "orders").look({})
    assert found.topics == {"orders": (topic(), {0: 1, 1: 1})}
    assert found.leaders == {Broker("kafka", 9092)}
    assert link.asked == [("orders",)]


async def test_templates_list_the_cluster_now_and_then(link: FakeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """In between only the topics that were found are asked for."""
    link.make("orders.eu")
    link.make("orders.internal", is_internal=True)
    link.make("else")
    looking = surveyor(link, "orders.{region}", "else")
    assert (await looking.look({})).topics.keys() == {"orders.eu", "else"}
    link.make("orders.us")
    assert "orders.us" not in (await looking.look({})).topics
    assert link.asked == [None, ("else", "orders.eu"), ("else", "orders.eu")]
    monkeypatch.setattr(looking, "_pause", 0.0)
    found = (await looking.look({})).topics["orders.us"]
    assert found.topic == topic("orders.us", region="us")


async def test_k13_what_is_missing_is_told_once(link: FakeLink) -> None:
    """A topic that is not there, one that may not be seen, a partition that nobody leads."""
    link.make("gone", error=UNKNOWN_TOPIC)
    link.make("secret", error=UNAUTHORISED)
    link.make("lone", "1", -1, 1)
    looking = surveyor(link, "gone", "secret", "lone")
    with capture_logs() as lines:
        found = await looking.look({})
        await looking.look({})
    assert "unknown topic gone" in found.missing
    assert "not authorised to read the topic secret" in found.missing
    assert "lone has no leader for partition 0, says kafka:9092" in found.missing
    assert found.topics.keys() == {"lone"}
    assert found.hidden == {"secret"}
    assert len(lines) == 1


async def test_nothing_matches(link: FakeLink) -> None:
    """A pattern may wait for its first topic."""
    assert await surveyor(link, pattern="x.*").look({}) == Survey({}, {}, "no topic matches")


async def test_the_reason_names_a_few(link: FakeLink) -> None:
    """A line for a person."""
    found = await surveyor(link, *(f"t{n}" for n in range(9))).look({})
    assert found.missing.count("unknown topic") == 3
    assert found.missing.endswith(", and 6 more")


async def test_partitions_are_bounded(link: FakeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is left out, and told."""
    monkeypatch.setattr(module, "MAX_PARTITIONS", 3)
    link.make("a", "1", 1, 1)
    link.make("b", "1", 1, 1)
    link.make("c")
    found = await surveyor(link, "a", "b", "c").look({})
    assert found.topics.keys() == {"a", "c"}
    assert "b has too many partitions" in found.missing


async def test_an_old_broker_tells_no_ids(link: FakeLink) -> None:
    """Then the cluster's name stands for them; a broker of before 2.8 among newer ones makes no topic another."""
    link.make("orders", "")
    looking = surveyor(link, "orders")
    assert (await looking.look({})).topics["orders"].topic == topic(id="cluster")
    known = {"orders": topic(id="1")}
    assert (await looking.look(known)).topics["orders"].topic == topic(id="1")
