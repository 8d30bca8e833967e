"""Which topics a source reads, and what their names tell."""

import pytest
import re2
from hypothesis import given, strategies as st

from bridge.errors import TemplateError
from bridge.sources.kafka.topics import Selection, compiled, template


def test_a_topic_by_its_name_tells_nothing() -> None:
    """Nothing is captured, and no other topic is meant."""
    selection = Selection(["orders", "a.b-c_d"], None)
    assert selection.match("orders") == selection.match("a.b-c_d") == {}
    assert selection.match("orders2") is None
    assert not selection.is_open
    assert selection.names == frozenset()


def test_holes_stand_between_dots() -> None:
    """A hole never takes a dot; a rest takes all of them."""
    selection = Selection(["orders.{region}.v{version}", "plants.{path*}"], None)
    assert selection.match("orders.eu.v2") == {"region": "eu", "version": "2"}
    assert selection.match("orders.eu.north.v2") is None
    assert selection.match("plants.oslo.p1") == {"path": "oslo.p1"}
    assert selection.is_open


def test_names_are_those_that_every_topic_gives() -> None:
    """What only some topics give is no name of the source."""
    assert Selection(["a.{region}", "b.{region}.{kind}"], None).names == {"region"}
    assert Selection(["a.{region}", "b"], None).names == frozenset()


def test_the_first_template_that_fits_wins() -> None:
    """The order in the file decides."""
    assert Selection(["a.{one}", "{two}.{three}"], None).match("a.b") == {"one": "b"}


def test_a_pattern_matches_whole_names_and_its_groups_are_names() -> None:
    """As Kafka's own subscriptions by pattern do."""
    selection = Selection([], r"orders\.(?P<region>[a-z]+)")
    assert selection.match("orders.eu") == {"region": "eu"}
    assert selection.match("orders.eu.v1") is None
    assert selection.match("my.orders.eu") is None
    assert selection.names == {"region"}


def test_a_topic_that_lacks_a_group_is_not_meant() -> None:
    """It would have no place on a route with that name."""
    selection = Selection([], r"orders(\.(?P<region>[a-z]+))?")
    assert selection.match("orders") is None
    assert selection.match("orders.eu") == {"region": "eu"}


def test_topics_of_kafka_itself_are_meant_by_their_names_alone() -> None:
    """A pattern over everything does not take the offsets of all groups."""
    assert Selection([], ".*").match("__consumer_offsets", is_internal=True) is None
    assert Selection(["{any*}"], None).match("__consumer_offsets", is_internal=True) is None
    assert Selection(["__consumer_offsets"], None).match("__consumer_offsets", is_internal=True) == {}


@pytest.mark.parametrize("text", ["", "a/b", "a b", ".", "..", "a" * 250, "å", "{a}{b}", "{a", "a.{a}.{a}"])
def test_what_is_no_topic_is_refused(text: str) -> None:
    """No broker would take it."""
    with pytest.raises(TemplateError):
        template(text)


def test_a_group_needs_a_name_that_a_route_can_have() -> None:
    """A name is up to 64 letters, digits and underscores."""
    with pytest.raises(TemplateError, match="group"):
        compiled(f"(?P<{'a' * 65}>x)")
    with pytest.raises(re2.error):
        compiled("(")


@given(st.text("ab.{}*", max_size=12), st.text("ab.", max_size=12))
def test_what_a_template_takes_fills_it_again(text: str, name: str) -> None:
    """Captures put back into the holes are the topic."""
    try:
        parsed = template(text)
    except TemplateError:
        return
    found = Selection([text], None).match(name)
    if found:
        assert parsed.fill({key: value.replace(".", "/") for key, value in found.items()}).replace("/", ".") == name
