"""A list as items with keys, and what sets two of them apart: `added`, `changed`, `removed`.

Rule 1: an item is known by its `key`; without one by what it says, so that it can only come and go. The second of two
    that say the same is known as such, the third too.
Rule 2: an object whose members are objects is a list, too; there an item's key is its name, unless `key` says else.
Rule 3: a list that is not one, an item without its key and two with one key are faults of the reply as a whole. To
    leave out the item would be told to subscribers as its removal.
Rule 4: an item goes out as its sender wrote it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import orjson

from bridge.sources.http.canonical import digest
from bridge.sources.http.formats import Document
from bridge.sources.http.pointer import Pointer, resolve, step
from bridge.sources.http.reply import ReplyError, Rules

#: Signs of a key: a path has some hundred.
MAX_KEY: Final = 1_024

#: A name of a member that a reason may repeat: it needs no escapes in a pointer, and no page of a log.
MEMBER: Final = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)

_DEEP: Final = "the reply is nested too deeply"

Items = Mapping[str, "Item"]


class Item(NamedTuple):
    """One item of a list."""

    #: As it came.
    text: str
    #: What tells whether it has changed.
    digest: bytes


class Raw(NamedTuple):
    """One item that is not known by anything yet."""

    value: object
    text: str
    #: Its name in an object.
    name: str | None = None


class Changes(NamedTuple):
    """What happened to a list, each in the order of the list that has it."""

    removed: Sequence[tuple[str, Item]] = ()
    changed: Sequence[tuple[str, Item]] = ()
    added: Sequence[tuple[str, Item]] = ()


def items(document: Document, rules: Rules, known: Items) -> dict[str, Item]:
    """Return the items of a reply by their keys, in its order; raises `ReplyError`.

    What is known of the reply before saves the work for items that came as the same text.
    """
    if document.format == "text":
        raise ReplyError("the reply is a text, which has no items")
    path = _path(document, rules)
    found: dict[str, Item] = {}
    # Counted, and not looked for: ten thousand zeros would be fifty million names to try.
    alike: Counter[bytes] = Counter()
    for number, raw in enumerate(_listed(document, rules), 1):
        if path is None and raw.name is None:
            mark = digest(raw.value)
            alike[mark] += 1
            found[mark.hex() if alike[mark] == 1 else f"{mark.hex()}-{alike[mark]}"] = Item(raw.text, mark)
            continue
        key = _key(raw, path, number)
        if key in found:
            raise ReplyError(f"item {number} of the list has the key of an earlier one")
        before = known.get(key)
        found[key] = before if before and before.text == raw.text else Item(raw.text, digest(raw.value))
    return found


def compare(old: Items, new: Items) -> Changes:
    """Return what happened between two lists."""
    return Changes(
        removed=[(key, item) for key, item in old.items() if key not in new],
        changed=[(key, item) for key, item in new.items() if key in old and old[key].digest != item.digest],
        added=[(key, item) for key, item in new.items() if key not in old],
    )


def _path(document: Document, rules: Rules) -> list[str] | None:
    if rules.key is not None:
        return rules.key.split(".")
    return ["id"] if document.format == "feed" else None


def _key(raw: Raw, path: Sequence[str] | None, number: int) -> str:
    """Return what an item is known by: a scalar, numbers as JSON writes them; raises `ReplyError`."""
    if path is None:
        key: str | None = raw.name
    else:
        try:
            found = resolve(raw.value, path)
        except LookupError:
            found = None
        key = found if isinstance(found, str) else _scalar(found)
    if not key:
        raise ReplyError(f"item {number} of the list has no {'name' if path is None else '.'.join(path)}")
    if len(key) > MAX_KEY:
        raise ReplyError(f"item {number} of the list has a key of more than {MAX_KEY} signs")
    return key


def _scalar(value: object) -> str:
    return "" if value is None or isinstance(value, dict | list) else orjson.dumps(value).decode()


def _listed(document: Document, rules: Rules) -> Iterator[Raw]:
    pointer = Pointer.parse(rules.items)
    value, text = _in_xml(document, pointer) if document.format == "xml" else _in_json(document, pointer)
    if not isinstance(value, list | dict):
        raise ReplyError(f"the reply has no list at {_place(pointer)}{_advice(document, pointer)}")
    if len(value) > rules.max_items:
        raise ReplyError(f"the list has more than {rules.max_items} items")
    if isinstance(value, list):
        for each, raw in zip(value, _elements(text), strict=True):
            yield Raw(each, bytes(raw).decode())
        return
    members = _members(text)
    for name, each in value.items():
        if not isinstance(each, dict):
            told = f"the reply has no list at {_place(pointer)}, and not an object of objects"
            raise ReplyError(f"{told}{_advice(document, pointer)}")
        yield Raw(each, bytes(members[name]).decode(), name)


def _in_json(document: Document, pointer: Pointer) -> tuple[object, bytes]:
    """Return what the pointer leads to, parsed and as it came; raises `ReplyError`."""
    value, text = document.value, document.text.encode()
    try:
        for part in pointer.parts:
            below = step(value, part)
            text = bytes(_elements(text)[int(part)] if isinstance(value, list) else _members(text)[part])
            value = below
    except LookupError:
        raise ReplyError(f"the reply has no list at {_place(pointer)}") from None
    return value, text


def _in_xml(document: Document, pointer: Pointer) -> tuple[object, bytes]:
    """Return the list of an element that repeats; where it does not stand at all, an empty one."""
    try:
        around = resolve(document.value, pointer.parts[:-1]) if pointer.parts else None
    except LookupError:
        raise ReplyError(f"the reply has nothing around {_place(pointer)}") from None
    # An element without content is null.
    inside = {} if around is None and pointer.parts else around
    found = inside.get(pointer.parts[-1], []) if isinstance(inside, dict) else None
    return found, orjson.dumps(found)


def _elements(text: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except RecursionError:
        raise ReplyError(_DEEP) from None


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except RecursionError:
        raise ReplyError(_DEEP) from None


def _advice(document: Document, pointer: Pointer) -> str:
    """Say what to write where a member of the reply is a list; which one, if it is the only one."""
    if pointer.parts or not isinstance(document.value, dict):
        return ""
    found = [name for name, value in document.value.items() if isinstance(value, list)]
    if not found:
        return ""
    # A name may be data, or as long as a reply: the file's writer needs it where it is one that a person would give.
    is_plain = len(found) == 1 and MEMBER.fullmatch(found[0])
    return f": say with `items` where the list is, for example {f'/{found[0]}' if is_plain else '/data'}"


def _place(pointer: Pointer) -> str:
    return pointer.text or "its root"
