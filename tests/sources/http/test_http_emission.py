"""What is known of an address, and what replies change of it."""

import jsonpatch
import orjson
import pytest
from hypothesis import given, strategies as st

from bridge.event import Message
from bridge.sources.http.canonical import canonical
from bridge.sources.http.delta import merge
from bridge.sources.http.emission import Emission, Reply, ReplyError, Rules
from tests.documents import documents, fields

JSON = "application/json"


def reply(body: str | bytes, content_type: str = JSON, time: float = 1.0, status: int = 200) -> Reply:
    """Make a reply."""
    data = body.encode() if isinstance(body, str) else body
    return Reply(data, content_type, time, "/x", {"currency": "eur"}, status)


def payloads(messages: list[Message]) -> list[str | bytes]:
    """Return what goes out."""
    return [message.payload for message in messages]


def told(messages: list[Message]) -> list[tuple[str, str | None, object]]:
    """Return type, key and data of messages."""
    return [(each.type, each.key, orjson.loads(each.payload)) for each in messages]


def test_a_message_says_where_it_is_from():
    """The address, the subscriber's captures, the time and status of its reply, the type of its data."""
    [message] = Emission(Rules()).take(reply(' {"a": 1.0} ', "application/geo+json; charset=utf-8", 7.5, 203))
    assert message == Message(
        payload='{"a": 1.0}',
        time=7.5,
        subject="/x",
        captures={"currency": "eur"},
        facts={"status": 203},
        content_type="application/geo+json",
    )


def test_h29_what_means_the_same_is_no_change():
    """The order of keys, white space and the spelling of numbers; a text counts as it is."""
    emission = Emission(Rules())
    assert payloads(emission.take(reply('{"a": 1, "b": 2}'))) == ['{"a": 1, "b": 2}']
    assert not emission.take(reply('{"a": 1, "b": 2}'))
    assert not emission.take(reply('{"b":2.0,"a":1}'))
    assert not emission.take(reply('{"b":2.0,"a":1}'))
    assert payloads(emission.present()) == ['{"a": 1, "b": 2}']
    assert payloads(emission.take(reply('{"b": 2, "a": true}'))) == ['{"b": 2, "a": true}']
    assert payloads(emission.take(reply("[1]", "text/plain"))) == ["[1]"]
    assert payloads(emission.take(reply("[1]"))) == ["[1]"]
    assert payloads(emission.take(reply("[1] ", "text/plain"))) == ["[1] "]


def test_h29_always_means_each_reply():
    """The same one too, and a 304 repeats it."""
    emission = Emission(Rules(emit="always"))
    assert emission.again(1.0) == emission.present() == []
    assert payloads(emission.take(reply("[1]"))) == ["[1]"]
    [same] = emission.take(reply("[1]", time=2.0))
    [again] = emission.again(3.0)
    assert (same.payload, same.time, again.payload, again.time) == ("[1]", 2.0, "[1]", 3.0)
    assert emission.present() == [again]


@pytest.mark.parametrize("rules", [Rules(), Rules(emit="items", key="id"), Rules(delta="json-patch")])
def test_a_304_is_no_news_elsewhere(rules):
    """Nothing has changed."""
    emission = Emission(rules)
    emission.take(reply('[{"id": 1}]'))
    assert emission.again(2.0) == []


@pytest.mark.parametrize(
    "rules",
    [
        Rules(emit="always"),
        Rules(),
        Rules(emit="items", key="id"),
        Rules(delta="json-patch"),
        Rules(emit="items", format="feed"),
    ],
)
def test_a_bad_reply_changes_nothing(rules):
    """What was known is known, and the next good one is compared with that."""
    emission = Emission(rules)
    good = '[{"id": 1}]' if rules.format == "auto" else "<rss><channel><item><guid>1</guid></item></channel></rss>"
    emission.take(reply(good))
    known = emission.present()
    assert known
    for bad in ("[", "", "<html>", '[{"id": 1e400}]'):
        with pytest.raises(ReplyError):
            emission.take(reply(bad))
    assert emission.present() == known
    if rules.emit != "always":
        assert emission.take(reply(good)) == []


def test_items_are_told_as_removed_changed_and_added():
    """In this order, each in the order of its reply, by their keys; the removed one as it last was."""
    emission = Emission(Rules(emit="items", items="/rows", key="id"))
    first = emission.take(reply('{"rows": [{"id": 1}, {"id": 2, "v": 1}, {"id": 3}]}'))
    assert told(first) == [("added", "1", {"id": 1}), ("added", "2", {"id": 2, "v": 1}), ("added", "3", {"id": 3})]
    second = emission.take(reply('{"rows": [{"id": 4}, {"v": 2, "id": 2}, {"id": 3.0}, {"id": 3}]}'))
    assert told(second) == [
        ("removed", "1", {"id": 1}),
        ("changed", "2", {"v": 2, "id": 2}),
        ("added", "4", {"id": 4}),
        ("added", "3.0", {"id": 3.0}),
    ]
    assert [(each.is_tombstone, each.facts) for each in second[:2]] == [
        (True, {"status": 200, "change": "removed"}),
        (False, {"status": 200, "change": "changed"}),
    ]
    assert emission.take(reply('{"rows": [{"id": 3}, {"id":4}, {"id": 2, "v": 2.0}, {"id": 3.0}], "at": 1}')) == []


def test_items_greet_a_newcomer_as_added():
    """As they are now; and once they are forgotten each is removed, and nobody is greeted."""
    emission = Emission(Rules(emit="items", key="id"))
    assert emission.present() == emission.retract() == []
    emission.take(reply('[{"id": 1}, {"id": 2}]'))
    emission.take(reply('[{"id": 2, "v": 1}, {"id": 3}]', time=2.0))
    assert told(emission.present()) == [("added", "2", {"id": 2, "v": 1}), ("added", "3", {"id": 3})]
    gone = emission.retract(9.0)
    assert told(gone) == [("removed", "2", {"id": 2, "v": 1}), ("removed", "3", {"id": 3})]
    assert {(each.is_tombstone, each.time) for each in gone} == {(True, 9.0)}
    assert emission.present() == emission.retract() == []
    assert told(emission.take(reply('[{"id": 2}]'))) == [("added", "2", {"id": 2})]


def test_a_whole_that_is_forgotten_is_told_anew():
    """Without a removal: there is nothing that it could be the removal of."""
    emission = Emission(Rules())
    emission.take(reply("[1]"))
    assert emission.retract() == emission.present() == []
    assert payloads(emission.take(reply("[1]"))) == ["[1]"]


def long(**more: object) -> str:
    """Write a document beside which a patch is short."""
    return orjson.dumps({"text": "x" * 200, **more}).decode()


def test_a_delta_is_a_snapshot_and_then_patches():
    """Each told by its type and its media type; a newcomer gets the whole."""
    emission = Emission(Rules(delta="json-patch"))
    [snapshot] = emission.take(reply(long(a=1)))
    assert (snapshot.type, snapshot.content_type, snapshot.facts) == (
        "snapshot",
        JSON,
        {"status": 200, "change": "snapshot"},
    )
    [patch] = emission.take(reply(long(a=2)))
    assert (patch.type, patch.content_type) == ("patch", "application/json-patch+json")
    assert orjson.loads(patch.payload) == [{"op": "replace", "path": "/a", "value": 2}]
    assert told(emission.present()) == [("snapshot", None, orjson.loads(long(a=2)))]
    assert emission.take(reply(long(a=2.0))) == []


def test_a_merge_patch_is_sent_where_it_can_say_it():
    """A null it cannot."""
    emission = Emission(Rules(delta="merge-patch"))
    emission.take(reply(long(a=1)))
    [patch] = emission.take(reply(long(b=2)))
    assert (patch.type, patch.content_type) == ("patch", "application/merge-patch+json")
    assert orjson.loads(patch.payload) == {"a": None, "b": 2}
    [whole] = emission.take(reply(long(b=None)))
    assert (whole.type, whole.content_type) == ("snapshot", JSON)


def test_a_patch_that_is_longer_than_the_document_is_none():
    """The whole is shorter."""
    emission = Emission(Rules(delta="json-patch"))
    emission.take(reply("[1, 2]"))
    assert told(emission.take(reply("[3]"))) == [("snapshot", None, [3])]


def test_a_delta_of_a_text_is_refused():
    """There is none."""
    with pytest.raises(ReplyError, match="only the changes of JSON"):
        Emission(Rules(delta="json-patch", format="text")).take(reply("hello", "text/plain"))


def feed(*entries: str) -> Reply:
    """Write a feed, newest first: an id, or an id and a title."""
    listed = "".join(
        f"<item><guid>{id}</guid><title>{title}</title></item>" for id, _, title in (e.partition("=") for e in entries)
    )
    return reply(f"<rss><channel>{listed}</channel></rss>", "application/rss+xml")


def test_entries_of_a_feed_come_oldest_first_and_are_never_removed():
    """A feed shows the newest few; what comes back unchanged is no news, what comes back changed is."""
    emission = Emission(Rules(format="feed"))
    assert [(t, k) for t, k, _ in told(emission.take(feed("2", "1")))] == [("added", "1"), ("added", "2")]
    assert [(t, k) for t, k, _ in told(emission.take(feed("4", "3", "2")))] == [("added", "3"), ("added", "4")]
    assert emission.take(feed("2", "1")) == []
    assert [key for _, key, _ in told(emission.present())] == ["1", "2"]
    assert [(t, k) for t, k, _ in told(emission.take(feed("4", "3=new")))] == [("changed", "3")]
    assert emission.retract() == []
    assert [(t, k) for t, k, _ in told(emission.take(feed("4")))] == [("added", "4")]


def test_only_so_many_entries_that_are_gone_are_remembered(monkeypatch):
    """The oldest are forgotten first."""
    monkeypatch.setattr("bridge.sources.http.emission.MAX_GONE", 2)
    emission = Emission(Rules(format="feed"))
    for number in range(1, 5):
        emission.take(feed(str(number)))
    assert [key for _, key, _ in told(emission.take(feed("4", "3", "2", "1")))] == ["1"]


def test_a_feed_may_be_one_list_too():
    """Where the file says so."""
    emission = Emission(Rules(format="feed", emit="changes"))
    [message] = emission.take(feed("2", "1"))
    assert [entry["id"] for entry in orjson.loads(message.payload)] == ["1", "2"]


def test_to_weigh_changes_nothing():
    """Until it is settled, a newcomer is greeted with what was."""
    emission = Emission(Rules())
    emission.take(reply("[1]"))
    news = emission.weigh(reply("[2]"))
    assert payloads(emission.present()) == ["[1]"]
    assert payloads(emission.settle(news)) == payloads(emission.present()) == ["[2]"]


def test_what_was_weighed_against_something_else_is_weighed_again():
    """It was forgotten meanwhile: the first reply is a snapshot, whatever it was before."""
    emission = Emission(Rules(delta="json-patch"))
    emission.take(reply(long(a=1)))
    news = emission.weigh(reply(long(a=2)))
    assert news.messages[0].type == "patch"
    emission.retract()
    assert [each.type for each in emission.settle(news)] == ["snapshot"]


@given(st.lists(documents, max_size=6), st.sampled_from(["json-patch", "merge-patch"]))
def test_a_subscriber_who_applies_what_comes_has_the_document(values, delta):
    """Snapshots taken, patches applied, whenever they came in between; and nobody is sent more than the whole."""
    emission = Emission(Rules(delta=delta))
    mine: object = None
    for value in values:
        padded = {"text": "x" * 100, "value": value}
        for message in emission.take(reply(orjson.dumps(padded))):
            assert len(message.payload) <= len(orjson.dumps(padded))
            found = orjson.loads(message.payload)
            if message.type == "snapshot":
                mine = found
            else:
                mine = jsonpatch.apply_patch(mine, found) if delta == "json-patch" else merge(mine, found)
        assert canonical(mine) == canonical(padded)
        [whole] = emission.present()
        assert canonical(orjson.loads(whole.payload)) == canonical(padded)


@given(st.lists(st.dictionaries(st.integers(0, 5), fields), max_size=6))
def test_a_table_that_is_kept_by_what_comes_is_the_list(lists):
    """Over any number of replies; a newcomer's is the same."""
    emission = Emission(Rules(emit="items", key="id"))
    table: dict[str | None, object] = {}
    for rows in lists:
        for message in emission.take(reply(orjson.dumps([{"id": key, **row} for key, row in rows.items()]))):
            if message.is_tombstone:
                del table[message.key]
            else:
                assert (message.key in table) == (message.type == "changed")
                table[message.key] = orjson.loads(message.payload)
        assert table == {str(key): {"id": key, **row} for key, row in rows.items()}
        newcomers = {message.key: orjson.loads(message.payload) for message in emission.present()}
        assert list(newcomers) == [str(key) for key in rows]
        assert newcomers == table


def test_what_is_kept_is_counted():
    """Texts by what they take, parsed documents and items by more than their text; nothing where nothing is kept."""
    whole, parsed, listed = Emission(Rules()), Emission(Rules(delta="merge-patch")), Emission(Rules(emit="items"))
    assert whole.size == 0
    body = orjson.dumps([{"n": n} for n in range(1_000)])
    for each in (whole, parsed, listed):
        each.take(reply(body))
    assert len(body) <= whole.size < 2 * len(body)
    assert parsed.size > 10 * len(body)
    assert listed.size > 200 * 1_000
    listed.retract()
    assert listed.size == 0


def test_a_document_that_is_too_large_for_a_patch_is_not_kept_parsed():
    """Neither before it nor after it is there a patch, and the text is all that is kept."""
    emission = Emission(Rules(delta="json-patch"))
    large = orjson.dumps([[] for _ in range(20_000)])
    assert [each.type for each in emission.take(reply(large))] == ["snapshot"]
    assert emission.size < 2 * len(large)
    assert [each.type for each in emission.take(reply(b"[1]"))] == ["snapshot"]
    assert [each.type for each in emission.take(reply(large))] == ["snapshot"]
    assert [each.type for each in emission.take(reply(b"null"))] == ["snapshot"]
    assert [each.type for each in emission.take(reply(b'{"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","b":1}'))] == [
        "snapshot"
    ]
    assert [each.type for each in emission.take(reply(b'{"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","b":2}'))] == [
        "patch"
    ]
