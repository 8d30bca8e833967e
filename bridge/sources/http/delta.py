"""What has changed between two documents, as JSON Patch (RFC 6902) or JSON Merge Patch (RFC 7396).

Rule 1: a patch is applied to the old document here, before anybody gets it, and what comes of that must be the new
    one. So a document that a merge patch cannot express (one that sets a null), or a fault of the library, ends in a
    snapshot, never in a page that shows something else than the server.
Rule 2: the work is bounded. Finding a JSON Patch takes 5 us a node, more in nested lists: each level is compared as a
    text of its own. Beyond the bounds there is no patch.
"""

import copy
from typing import Final

import jsonpatch
import orjson

from bridge.sources.http.canonical import canonical
from bridge.sources.http.reply import Delta, ReplyError

#: Nodes of each of the two documents: values, elements, members. A list of 2,000 rows that all have changed takes
#: 0.1 s; the worst that was found, every other of 2,000 nested rows taken away, 0.3 s.
MAX_NODES: Final = 10_000

#: Places in which the two differ, one compared with the other place by place. The library orders what it finds by
#: looking through all of it again: half of 9,000 numbers taken away kept it busy for six seconds. More differences
#: than this are hardly ever told in less than the document itself.
MAX_CHANGES: Final = 2_000

#: Levels of each of the two documents.
MAX_LEVELS: Final = 32

CONTENT_TYPES: Final[dict[Delta, str]] = {
    "json-patch": "application/json-patch+json",
    "merge-patch": "application/merge-patch+json",
}


def patch(delta: Delta, old: object, new: object) -> str | None:
    """Return the patch that makes the old document the new one; None where the whole should be sent."""
    if not (is_small(old) and is_small(new)):
        return None
    found = _json_patch(old, new) if delta == "json-patch" else _merge_patch(old, new)
    return None if found is None else orjson.dumps(found).decode()


def _json_patch(old: object, new: object) -> object:
    if not _is_near(old, new):
        return None
    try:
        found = jsonpatch.JsonPatch.from_diff(old, new, dumps=_text)
        made = found.apply(copy.deepcopy(old), in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        return None
    return found.patch if _is_same(made, new) else None


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _merge_patch(old: object, new: object) -> object:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    found = _difference(old, new)
    return found if _is_same(merge(copy.deepcopy(old), found), new) else None


def _difference(old: dict[str, object], new: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            if within := _difference(before, value):
                found[name] = within
        elif name not in old or not _is_same(before, value):
            found[name] = value
    return found


def merge(target: object, patch: object) -> object:
    """Apply a merge patch (RFC 7396, section 2); the target may be changed."""
    if not isinstance(patch, dict):
        return patch
    made: dict[str, object] = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merge(made.get(name), value)
    return made


def _is_same(one: object, other: object) -> bool:
    # Python's == takes true for 1.
    try:
        return canonical(one) == canonical(other)
    except ReplyError:
        return False


def _is_near(old: object, new: object) -> bool:
    """Tell whether two documents differ in few places, without recursion."""
    left, changes = [(old, new)], 0
    while left and changes <= MAX_CHANGES:
        one, other = left.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            left += [(value, other[name]) for name, value in one.items() if name in other]
            changes += len(one.keys() ^ other.keys())
        elif isinstance(one, list) and isinstance(other, list):
            left += zip(one, other, strict=False)
            changes += abs(len(one) - len(other))
        else:
            changes += one != other or type(one) is not type(other)
    return changes <= MAX_CHANGES


def is_small(value: object) -> bool:
    """Tell whether a document is within the bounds, level by level, without recursion."""
    level, nodes = [value], 0
    for _ in range(MAX_LEVELS):
        nodes += len(level)
        if nodes > MAX_NODES:
            return False
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
            if len(below) > MAX_NODES:
                return False
        if not below:
            return True
        level = below
    return False
