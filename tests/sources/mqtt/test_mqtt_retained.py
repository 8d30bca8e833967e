"""What old subscribers know of retained messages."""

from bridge.sources.mqtt.retained import Retained


def test_the_same_message_is_no_news_and_another_one_is():
    """On the same topic."""
    table = Retained()
    assert not table.is_last(b"a", b"1")
    table.note(b"a", b"1")
    assert table.is_last(b"a", b"1")
    assert not table.is_last(b"a", b"2")
    assert not table.is_last(b"b", b"1")


def test_to_look_is_not_to_note():
    """Whoever looks may still fail to tell it."""
    table = Retained()
    table.is_last(b"a", b"1")
    assert not table.is_last(b"a", b"1")
    assert len(table) == 0


def test_the_later_message_is_the_last_word():
    """An older one that is retained again is news."""
    table = Retained()
    table.note(b"a", b"old")
    table.note(b"a", b"new")
    assert table.is_last(b"a", b"new")
    assert not table.is_last(b"a", b"old")


def test_what_was_cleared_is_news_when_it_comes_again():
    """Even the same."""
    table = Retained()
    table.note(b"a", b"1")
    table.note(b"a", b"")
    assert not table.is_last(b"a", b"1")
    assert len(table) == 0


def test_the_oldest_is_forgotten_first():
    """The table is bounded."""
    table = Retained(limit=2)
    for topic in (b"a", b"b", b"a", b"c"):
        table.note(topic, b"1")
    assert len(table) == 2
    assert table.is_last(b"a", b"1")
    assert not table.is_last(b"b", b"1")
