"""XML of a stranger: checked before anything is made of it.

Rule 1: no DTD of its own. Entities (the "billion laughs") and default attributes turn a small document into a huge
    one, and external ones into requests; a document that only names a DTD is fine, nobody fetches it.
Rule 2: bounded levels and elements, so that the tree is no larger than a few times its text.

Both are seen by expat itself, in a pass before the one that makes the tree. A search for `<!ENTITY` would miss other
spellings, and find it where an article is about it.
"""

from typing import Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

import xmltodict  # type: ignore[import-untyped]  # it has no types

from bridge.sources.http.reply import ReplyError

#: Levels of elements. What is compared may have more (`canonical`), so XML is never refused there.
MAX_LEVELS: Final = 64

#: Elements: a hundred bytes each as a tree, 20 MiB in all.
MAX_ELEMENTS: Final = 200_000

#: Characters of the name of an element or attribute; no vocabulary has any of fifty.
MAX_NAME: Final = 256

#: Attributes of one element.
MAX_ATTRIBUTES: Final = 1_000


class _Guard:
    """Counts, and raises `ReplyError` from within the parser."""

    def __init__(self) -> None:
        self.elements = 0
        self.levels = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        self.levels += 1
        if self.elements > MAX_ELEMENTS:
            raise ReplyError(f"the reply has more than {MAX_ELEMENTS} elements")
        if self.levels > MAX_LEVELS:
            raise ReplyError(f"the reply is nested too deeply: more than {MAX_LEVELS} levels")
        if len(attributes) > MAX_ATTRIBUTES or max(map(len, (name, *attributes))) > MAX_NAME:
            raise ReplyError(f"the reply has a name of more than {MAX_NAME} signs, or {MAX_ATTRIBUTES} attributes")

    def end(self, _: str) -> None:
        self.levels -= 1

    def doctype(self, _name: str, _system: str | None, _public: str | None, has_subset: int) -> None:
        if has_subset:
            raise ReplyError("the reply has a DTD of its own, which is not read")


def check(text: str) -> None:
    """Raise `ReplyError` for what is no XML, and for XML that does harm."""
    guard = _Guard()
    # The text is decoded already, so what its declaration says does not count any more.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = guard.start
    parser.EndElementHandler = guard.end
    parser.StartDoctypeDeclHandler = guard.doctype
    try:
        parser.Parse(text.encode(), True)  # noqa: FBT003 -- it takes no names
    except expat.ExpatError as error:
        words = expat.errors.messages.get(error.code, "it cannot be read")
        raise ReplyError(f"the reply is not XML: line {error.lineno}, column {error.offset + 1}: {words}") from None


def value(text: str, repeated: tuple[str, ...] = ()) -> object:
    """Return XML as JSON, in xmltodict's way: attributes are `@name`, a text beside them is `#text`.

    An element that stands once is no list. `repeated` is the way to one that is always to be a list, from the root.
    """
    check(text)
    # A part that is a number stands for one of several; no element can be called so.
    above = tuple(part for part in repeated[:-1] if not part.isdecimal())

    def is_list(path: list[tuple[str, object]], key: str, _: object) -> bool:
        return bool(repeated) and key == repeated[-1] and tuple(name for name, _ in path) == above

    made: object = xmltodict.parse(text, force_list=is_list)
    return made


def tree(text: str) -> ET.Element:
    """Return XML as a tree with namespaces."""
    check(text)
    return ET.fromstring(text)  # noqa: S314 -- checked just now for all that it warns of
