"""Patches, and what they may cost."""

import copy
import time

import jsonpatch
import orjson
import pytest
from hypothesis import given

from bridge.sources.http import delta
from bridge.sources.http.canonical import canonical
from bridge.sources.http.delta import MAX_CHANGES, MAX_LEVELS, MAX_NODES, merge, patch
from tests.documents import documents


def applied(kind: delta.Delta, old: object, text: str) -> object:
    """Apply a patch as a subscriber would."""
    found = orjson.loads(text)
    if kind == "merge-patch":
        return merge(copy.deepcopy(old), found)
    return jsonpatch.apply_patch(copy.deepcopy(old), found)


@given(documents, documents)
def test_a_json_patch_makes_the_new_document(old, new):
    """Whatever both are; there always is one."""
    text = patch("json-patch", old, new)
    assert text is not None
    assert canonical(applied("json-patch", old, text)) == canonical(new)
    assert all(each["op"] in {"add", "remove", "replace", "move", "copy", "test"} for each in orjson.loads(text))


@given(documents, documents)
def test_a_merge_patch_makes_the_new_document_or_there_is_none(old, new):
    """It cannot set a null."""
    text = patch("merge-patch", old, new)
    if text is None:
        assert not isinstance(old, dict) or not isinstance(new, dict) or b"null" in orjson.dumps(new)
    else:
        assert canonical(applied("merge-patch", old, text)) == canonical(new)


#: Appendix A of RFC 7396: target, patch, result.
EXAMPLES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "change", "result"), EXAMPLES)
def test_merging_follows_the_rfc(target, change, result):
    """All of its examples."""
    assert merge(target, change) == result


def test_a_merge_patch_holds_only_what_has_changed():
    """Members that are gone are null."""
    old = {"a": 1, "b": {"c": True, "d": [1]}, "e": 1, "n": None}
    new = {"a": 1.0, "b": {"c": 1, "d": [1]}, "f": {}, "n": None}
    assert orjson.loads(patch("merge-patch", old, new) or "") == {"b": {"c": 1}, "e": None, "f": {}}


@pytest.mark.parametrize(
    ("old", "new"), [({}, {"a": None}), ({"a": 1}, {"a": {"b": None}}), ([1], [2]), ({}, [1]), ([1], {})]
)
def test_what_a_merge_patch_cannot_say_has_none(old, new):
    """The whole is sent then."""
    assert patch("merge-patch", old, new) is None


def test_true_is_not_one():
    """For Python it is."""
    assert orjson.loads(patch("json-patch", {"a": 1}, {"a": True}) or "") == [
        {"op": "replace", "path": "/a", "value": True}
    ]


def test_a_wrong_patch_is_never_sent(monkeypatch):
    """The library had faults of this kind (#138); the whole is sent instead."""
    for wrong in ([{"op": "remove", "path": "/a"}], [{"op": "replace", "path": "/x/9", "value": 1}]):
        monkeypatch.setattr(
            jsonpatch.JsonPatch, "from_diff", classmethod(lambda cls, *_, wrong=wrong, **__: cls(wrong))
        )
        assert patch("json-patch", {"a": 1}, {"a": 2}) is None


def nested(levels: int, leaf: object) -> object:
    """Make a document that is nested so deeply."""
    for _ in range(levels):
        leaf = [leaf]
    return leaf


@pytest.mark.parametrize("kind", ["json-patch", "merge-patch"])
def test_beyond_its_bounds_there_is_no_patch(kind):
    """Too many nodes, or too many levels; without recursion."""
    assert patch(kind, {}, {str(n): n for n in range(MAX_NODES)}) is None
    assert patch(kind, {"a": list(range(MAX_NODES))}, {}) is None
    assert patch(kind, {}, {"a": nested(MAX_LEVELS, 1)}) is None
    assert patch(kind, {"a": nested(1_000, 1)}, {}) is None


def rows(count: int, start: int) -> list[object]:
    """Make a list of objects with five nodes each."""
    return [{"id": n + start, "name": f"n{n}", "v": n * 0.37, "ok": True} for n in range(count)]


def test_documents_that_differ_everywhere_are_sent_whole():
    """By place: a change, an element more, a member more. A merge patch has no need of the bound."""
    old = list(range(MAX_CHANGES + 1))
    assert patch("json-patch", old, [n + 1 for n in old]) is None
    assert patch("json-patch", [], old) is None
    assert patch("json-patch", {}, {str(n): n for n in old}) is None
    assert patch("json-patch", {"a": old[:-1]}, {"a": []}) is not None
    assert patch("merge-patch", {}, {str(n): n for n in old}) is not None


HARD = {
    "half_is_taken_away": (list(range(9_000)), list(range(0, 9_000, 2))),
    "half_of_few_is_taken_away": (list(range(2_600)), list(range(0, 2_600, 2))),
    "all_rows_changed": (rows(1_990, 0), rows(1_990, 7)),
    "rows_turned_round": (rows(1_990, 0), rows(1_990, 0)[::-1]),
    "few_values_many_times": ([n % 3 for n in range(9_900)], [(n * 7) % 3 for n in range(9_900)]),
    "numbers_turned_round": (list(range(9_900)), list(range(9_900))[::-1]),
    "deep_lists": (
        [nested(MAX_LEVELS - 3, n) for n in range(300)],
        [nested(MAX_LEVELS - 3, n + 1) for n in range(300)],
    ),
}


@pytest.mark.parametrize(("old", "new"), HARD.values(), ids=HARD)
def test_the_hardest_documents_within_the_bounds_take_bounded_time(old, new):
    """In a thread, where others run beside it; seconds of processor time with room for a slow machine."""
    began = time.process_time()
    patch("json-patch", old, new)
    assert time.process_time() - began < 5
