"""What old subscribers know of retained messages."""

from bridge.sources.mqtt.retained import Retained


def test_the_same_message_is_no_news_and_another_one_is():
    """On the same topic."""
    table = Retained()
    assert not table.again(b"a", b"1")
    assert table.again(b"a", b"1")
    assert not table.again(b"a", b"2")
    assert not table.again(b"b", b"2")


def test_a_live_message_is_the_last_word():
    """An older one that is retained again is news."""
    table = Retained()
    table.again(b"a", b"old")
    table.live(b"a", b"new", is_retained=None)
    assert table.again(b"a", b"new")
    assert not table.again(b"a", b"old")


def test_a_live_message_that_is_not_retained_changes_nothing():
    """Where the broker tells."""
    table = Retained()
    table.again(b"a", b"1")
    table.live(b"a", b"2", is_retained=False)
    table.live(b"a", b"", is_retained=False)
    assert table.again(b"a", b"1")


def test_what_was_cleared_is_news_when_it_comes_again():
    """Even the same."""
    table = Retained()
    table.again(b"a", b"1")
    table.live(b"a", b"", is_retained=True)
    assert not table.again(b"a", b"1")


def test_the_oldest_is_forgotten_first():
    """The table is bounded."""
    table = Retained(limit=2)
    for topic in (b"a", b"b", b"a", b"c"):
        table.live(topic, b"1", is_retained=True)
    assert len(table) == 2
    assert table.again(b"a", b"1")
    assert not table.again(b"b", b"1")
