"""Lists as items with keys."""

import time

import orjson
import pytest
from hypothesis import given, strategies as st

from bridge.sources.http.formats import read
from bridge.sources.http.items import Item, compare, items
from bridge.sources.http.reply import Format, Reply, ReplyError, Rules
from tests.documents import fields


def listed(body: str | bytes, items_at: str = "", key: str | None = None, **more) -> dict[str, Item]:
    """Return the items of a reply."""
    rules = Rules(emit="items", items=items_at, key=key, **more)
    data = body.encode() if isinstance(body, str) else body
    return items(read(Reply(data, "", 1.0, "s", {}, 200), rules), rules, {})


def texts(found: dict[str, Item]) -> dict[str, str]:
    """Return what goes out, by key."""
    return {key: item.text for key, item in found.items()}


def refused(body: str, *args, **more) -> str:
    """Return why a reply has no items."""
    with pytest.raises(ReplyError) as caught:
        listed(body, *args, **more)
    return str(caught.value)


def test_items_go_out_as_they_came():
    """Numbers, escapes, spaces and the order of keys as their sender wrote them."""
    body = ' {"data": [ {"id": 1.0, "n": 123456789012345678901234567890} , {"z":1,  "id":"x\\u00e9"}]} '
    assert texts(listed(body, "/data", "id")) == {
        "1.0": '{"id": 1.0, "n": 123456789012345678901234567890}',
        "xé": '{"z":1,  "id":"x\\u00e9"}',
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('[{"id": 1}]', ""),
        ('{"a": {"b/c": [{"id": 1}]}}', "/a/b~1c"),
        ('[0, [[{"id": 1}]]]', "/1/0"),
        ('{"a": [], "a": [{"id": 1}]}', "/a"),
        ('{"\\u0061": [{"id": 1}]}', "/a"),
    ],
)
def test_a_pointer_finds_the_list(body, pointer):
    """Also where a name is escaped, or stands twice: the last one counts."""
    assert texts(listed(body, pointer, "id")) == {"1": '{"id": 1}'}


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ('{"data": 1}', "/data", "the reply has no list at /data"),
        ('{"dato": []}', "/data", "the reply has no list at /data"),
        ("[1]", "/1", "the reply has no list at /1"),
        ('"x"', "", "the reply has no list at its root"),
        ('{"error": "no"}', "", "the reply has no list at its root, and not an object of objects"),
        ('[{"id": 1}, {}]', "", "item 2 of the list has no id"),
        ('[{"id": null}]', "", "item 1 of the list has no id"),
        ('[{"id": ""}]', "", "item 1 of the list has no id"),
        ('[{"id": [1]}]', "", "item 1 of the list has no id"),
        ("[1]", "", "item 1 of the list has no id"),
        ('[{"id": 1}, {"id": 2}, {"id": "1"}]', "", "item 3 of the list has the key of an earlier one"),
        (f'[{{"id": "{"x" * 1_025}"}}]', "", "item 1 of the list has a key of more than 1024 signs"),
        ("[" + "{},".join([""] * 4)[:-1] + "]", "", "the list has more than 2 items"),
    ],
)
def test_a_list_that_is_not_one_is_a_fault_of_the_reply(body, pointer, words):
    """To leave out an item would be told as its removal."""
    limit = 2 if "more than 2" in words else 10
    assert refused(body, pointer, "id", max_items=limit) == words


AT_ROOT = "the reply has no list at its root, and not an object of objects"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"page": 1, "rows": [{"id": 1}]}', f"{AT_ROOT}: say with `items` where the list is, for example /rows"),
        ('{"rows": [], "more": []}', f"{AT_ROOT}: say with `items` where the list is, for example /data"),
        ('{"a/b": []}', f"{AT_ROOT}: say with `items` where the list is, for example /data"),
        (f'{{"{"x" * 65}": []}}', f"{AT_ROOT}: say with `items` where the list is, for example /data"),
        ('{"n": 1, "page": {"rows": []}}', AT_ROOT),
    ],
)
def test_a_list_within_the_reply_is_hinted_at(body, words):
    """Named where there is one alone, whose name a person would write as it is."""
    assert refused(body, "", "id") == words


def test_a_key_may_lie_deeper():
    """A path, as elsewhere; numbers and booleans as JSON writes them."""
    body = '[{"meta": {"id": 7}}, {"meta": {"id": true}}, {"meta": {"id": 1e2}}]'
    assert list(listed(body, key="meta.id")) == ["7", "true", "100.0"]
    assert "has no meta.id" in refused('[{"meta": 1}]', key="meta.id")


def test_an_object_of_objects_is_a_list_by_its_names():
    """Unless a key says else."""
    body = '{"users": {"ann": {"age": 1}, "bo": {"age": 2}}}'
    assert texts(listed(body, "/users")) == {"ann": '{"age": 1}', "bo": '{"age": 2}'}
    assert list(listed(body, "/users", "age")) == ["1", "2"]
    assert listed("{}") == {}
    assert "no name" in refused('{"": {}}')


def test_without_a_key_items_are_known_by_what_they_say():
    """The second of two that say the same is known as such."""
    found = listed('[{"a": 1, "b": 2}, 3, {"b": 2, "a": 1.0}, 3, 3]')
    first, three = list(found)[:2]
    assert list(found) == [first, three, f"{first}-2", f"{three}-2", f"{three}-3"]


@pytest.mark.parametrize(
    ("body", "format", "pointer", "found"),
    [
        ('{"id":1}\n{"id":2}\n', "ndjson", "", {"1": '{"id":1}', "2": '{"id":2}'}),
        ("id,n\n1,x\n", "csv", "", {"1": '{"id":"1","n":"x"}'}),
        ("<r><i><id>1</id></i><i><id>2</id></i></r>", "xml", "/r/i", {"1": '{"id":"1"}', "2": '{"id":"2"}'}),
        ("<r><i><id>1</id></i></r>", "xml", "/r/i", {"1": '{"id":"1"}'}),
        ("<r/>", "xml", "/r/i", {}),
        ("<r><b>1</b></r>", "xml", "/r/i", {}),
        ("<r><a/><a><i><id>1</id></i></a></r>", "xml", "/r/a/1/i", {"1": '{"id":"1"}'}),
        ("<rss><channel><item><guid>g</guid></item></channel></rss>", "feed", "", {"g": '{"id":"g"}'}),
    ],
)
def test_all_formats_but_text_have_items(body, format: Format, pointer, found):
    """A single element of XML is a list, and so is none."""
    assert texts(listed(body, pointer, None if format == "feed" else "id", format=format)) == found


@pytest.mark.parametrize("pointer", ["", "/x/i", "/r/b/i", "/r/i/0/x/y"])
def test_xml_without_what_is_around_the_items_has_no_list(pointer):
    """Another document is no empty list."""
    assert "the reply has no" in refused("<r><b>1</b></r>", pointer, format="xml")


def test_a_text_has_no_items():
    """In words."""
    assert refused("hello", format="text") == "the reply is a text, which has no items"


def test_items_nested_too_deeply_are_refused():
    """In words, not with a RecursionError."""
    deep = "[" * 1_000 + "]" * 1_000
    assert "nested too deeply" in refused(f'[{{"id": 1, "a": {deep}}}]', key="id")


def test_what_is_nested_deeply_beside_the_list_is_refused_at_worst():
    """How deep msgspec looks depends on the version of Python."""
    deep = "[" * 1_000 + "]" * 1_000
    try:
        assert listed(f'{{"a": {deep}, "b": []}}', "/b", "id") == {}
    except ReplyError as error:
        assert str(error) == "the reply is nested too deeply"  # noqa: PT017 -- either is right


@given(st.dictionaries(st.integers(0, 5), fields), st.dictionaries(st.integers(0, 5), fields), st.randoms())
def test_the_changes_make_the_new_list_of_the_old_one(old, new, random):
    """Applied to a table, in the order in which they are told; and each is one."""
    keys = list(new)
    random.shuffle(keys)
    bodies = [orjson.dumps([{"id": key, **each[key]} for key in order]) for each, order in ((old, old), (new, keys))]
    before, after = (listed(body, key="id") for body in bodies)
    changes = compare(before, after)
    table = texts(before)
    for key, item in changes.removed:
        assert table.pop(key) == item.text
    for key, item in changes.changed:
        assert table[key] != item.text
        table[key] = item.text
    for key, item in changes.added:
        assert key not in table
        table[key] = item.text
    assert {key: orjson.loads(text) for key, text in table.items()} == {
        key: orjson.loads(item.text) for key, item in after.items()
    }


@given(st.lists(fields, max_size=6), st.lists(fields, max_size=6))
def test_without_a_key_the_changes_make_the_new_list_too(old, new):
    """As a bag: what is there twice is told twice."""
    before, after = (listed(orjson.dumps(each)) for each in (old, new))
    changes = compare(before, after)
    assert not changes.changed
    table = {key: item for key, item in before.items() if key not in dict(changes.removed)}
    assert {**table, **dict(changes.added)}.keys() == after.keys()
    assert len(after) == len(new)


def test_ten_thousand_items_that_say_the_same_are_told_apart_at_once():
    """Each by its number, without looking for one that is free; seconds of processor time, for a slow machine."""
    began = time.process_time()
    found = listed(f"[{','.join(['0'] * 10_000)}]")
    assert time.process_time() - began < 2
    assert len(found) == 10_000
    first, *_, last = found
    assert last == f"{first}-10000"
