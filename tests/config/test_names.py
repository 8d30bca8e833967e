"""The names that a route may use."""

import pytest

from bridge.config.names import NO_EXPRESSIONS, Names, event_fault, key_fault, name_fault, path_fault

NAMES = Names(frozenset({"device", "plant"}), frozenset({"offset"}))


@pytest.mark.parametrize("text", ["data.a", "data.customer.id", "data.items.0.x-y", "headers.region", "key", "subject"])
def test_plain_paths_are_taken(text: str) -> None:
    """A path looks into the data or the headers, or is the key or the subject."""
    assert path_fault(text) is None
    assert key_fault(text, NAMES) is None


@pytest.mark.parametrize(
    "text", ["data", "data.", "data.a b", "data['a']", "get(data, 'a')", "a > b", "", "text", "data.a\n"]
)
def test_what_is_more_than_a_path_is_an_expression(text: str) -> None:
    """Expressions have their place here and are refused as not built."""
    assert path_fault(text) == NO_EXPRESSIONS


def test_a_key_names_a_capture_or_a_fact() -> None:
    """A name that the source lacks is told with those that it has."""
    assert key_fault("device", NAMES) is None
    assert key_fault("offset", NAMES) is None
    fault = key_fault("devise", NAMES)
    assert fault == (
        "there is no name `devise`: the source has `device`, `offset`, `plant`; did you mean `device`?"
        "; or `key`, the record's own, or a path such as data.id"
    )
    assert "the source has no names; or `key`" in str(key_fault("id", Names(frozenset(), frozenset())))


@pytest.mark.parametrize("text", ["welcome", "order.{device}", "{plant}/{device}", "a.{offset}", "delete"])
def test_event_names_are_taken(text: str) -> None:
    """A name may have holes for captures and facts."""
    assert event_fault(text, NAMES) is None


@pytest.mark.parametrize(
    "text",
    ["", "error", "open", "bridge.gap", "bridge.{device}", "1a", "-{device}", "a b", "a\nb", "{path*}", "é", "a" * 65],
)
def test_event_names_that_would_harm_are_refused(text: str) -> None:
    """What would run the page's handlers, pass for ours, or break a frame is refused."""
    assert event_fault(text, NAMES) is not None


@pytest.mark.parametrize("name", ["data", "text", "key", "time", "headers", "claims", "params", "a-b", "1a", ""])
def test_words_of_the_language_name_no_capture(name: str) -> None:
    """A capture called `data` could not be told from the data."""
    assert name_fault(name) is not None


def test_several_sources_share_what_all_have() -> None:
    """A route over two sources may use the names that both have."""
    other = Names(frozenset({"device"}), frozenset())
    assert NAMES.common(other).all == {"device"}
