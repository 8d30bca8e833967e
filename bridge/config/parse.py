"""Read YAML text into nodes, within bounds.

Rule 1: libyaml reads, nothing is constructed: we take its events one by one, so a bound is met before memory is.
Rule 2: at most 1 MiB, 32 levels and 20,000 values, what aliases repeat counted each time.
Rule 3: no tags, no second document, no key twice, no key that is not a scalar, no alias within its own anchor.
Rule 4: an error never shows what stands in the file.
Rule 5: what is wrong with one value (a variable that is not set, a key that stands twice) does not end the reading: it
    is noted, and an empty text that says so (`Node.is_faulty`) takes the value's place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml

from bridge.config.advice import explain
from bridge.config.node import Mark, Node, Style, join
from bridge.config.problems import Problems
from bridge.config.scalar import Filled, ScalarError, fill, resolve
from bridge.errors import ConfigError, Problem

#: A thousand routes are some 100 KiB.
MAX_BYTES: Final = 1024 * 1024
#: The language needs 6 levels, a payload may have some more.
MAX_DEPTH: Final = 32
#: About what MAX_BYTES of ordinary configuration holds, and what is checked well within a second.
MAX_NODES: Final = 20_000

#: What YAML does not allow, and the three line ends that YAML 1.1 (libyaml) knows and 1.2 does not.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")

#: Texts in which nothing is filled in: they are expressions, where `${` may have a meaning of its own.
_EXPRESSION: Final = re.compile(r"(?:routes|profiles|sources|defaults)\.(?:.*\.)?(?:key|where|data|capture)(?:[.\[]|$)")


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read."""

    mark: Mark
    key: Mark
    path: str
    style: Style
    anchor: str | None
    is_list: bool
    pairs: dict[str, Node] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    #: The key that waits for its value; None where a key comes next.
    name: str | None = None
    name_mark: Mark | None = None
    weight: int = 1

    def build(self) -> Node:
        value = tuple(self.items) if self.is_list else self.pairs
        return Node(value, self.mark, self.key, self.path, self.style)


def decode(content: bytes, file: str) -> str:
    """Return a file's text without its BOM; raises `ConfigError` for what is not UTF-8 text."""
    if len(content) > MAX_BYTES:
        raise _refuse(Mark(file, 1, 1), "the file is larger than 1 MiB: split it into a folder of files")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refuse(Mark(file, 1, 1), "the file is UTF-16: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        raise _refuse(_after(before, file), "a byte that is not UTF-8: save the file as UTF-8") from None
    if found := _FORBIDDEN.search(text):
        what = f"the character U+{ord(found[0]):04X} cannot stand here"
        raise _refuse(
            _after(text[: found.start()], file), f'{what}: in double quotes, write it as "\\u{ord(found[0]):04x}"'
        )
    return text


def parse(text: str, file: str, environ: Mapping[str, str], problems: Problems) -> Node:
    """Read one document, noting what is wrong with single values; raises `ConfigError` where its form is."""
    if not yaml.__with_libyaml__:
        raise _refuse(
            Mark(file, 1, 1), "this PyYAML was built without libyaml, which the bridge needs: install its wheel"
        )
    loader = yaml.CSafeLoader(text)
    reader = _Reader(file, environ, problems)
    try:
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        line, column, advice = explain(error, text)
        raise _refuse(Mark(file, line, column), advice) from None
    except yaml.YAMLError:
        raise _refuse(Mark(file, 1, 1), "this is not YAML") from None
    finally:
        loader.dispose()
    if reader.root is None:
        raise _refuse(Mark(file, 1, 1), "the file is empty: `sse-bridge init` writes one to start from")
    return reader.root


class _Reader:
    """Builds nodes from events with a stack of its own, so that depth costs no recursion."""

    def __init__(self, file: str, environ: Mapping[str, str], problems: Problems) -> None:
        self.root: Node | None = None
        self._problems = problems
        self._file = file
        self._environ = environ
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take one event of libyaml."""
        mark = Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
        if getattr(event, "tag", None) is not None:
            raise self._refuse(mark, 'tags are not allowed: a text that begins with "!" needs quotes, for example "!x"')
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event, mark)

    def document(self, event: Any, mark: Mark) -> None:
        """Begin the document."""
        self._documents += 1
        if self._documents > 1:
            raise self._refuse(mark, "a second document begins here: make it a file of its own, in a folder")
        if event.tags:
            raise self._refuse(mark, "tags are not allowed")

    def open(self, event: Any, mark: Mark) -> None:
        """Begin a list or a mapping."""
        if len(self._stack) >= MAX_DEPTH:
            raise self._refuse(mark, f"more than {MAX_DEPTH} levels")
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if self._awaits_key():
            raise self._refuse(
                mark, 'a key is a text: one that begins with "{" or "[" needs quotes, for example "{device}"'
            )
        style: Style = "flow" if event.flow_style else "block"
        self._spend(1, mark)
        self._stack.append(_Open(mark, self._key(mark), self._path(), style, event.anchor, is_list))

    def close(self, event: Any, mark: Mark) -> None:
        """End the list or mapping begun last."""
        done = self._stack.pop()
        self._put(done.build(), done.anchor, done.weight)

    def scalar(self, event: Any, mark: Mark) -> None:
        """Take a key or a value."""
        if self._awaits_key():
            self._take_key(event.value, mark)
            return
        self._spend(1, mark)
        style: Style = "quoted" if event.style else "plain"
        path = self._path()
        node = Node("", mark, self._key(mark), path, style)
        self._put(self._meaning(event.value, node), event.anchor, 1)

    def alias(self, event: Any, mark: Mark) -> None:
        """Repeat what an anchor names."""
        if self._awaits_key():
            raise self._refuse(mark, 'a key is a text: one that begins with "*" needs quotes')
        if any(open.anchor == event.anchor for open in self._stack):
            raise self._refuse(mark, "an alias within what it names: it would never end")
        if event.anchor not in self._anchors:
            raise self._refuse(
                mark, 'no anchor of this name stands before it: a text that begins with "*" needs quotes'
            )
        node, weight = self._anchors[event.anchor]
        self._spend(weight, mark)
        self._put(node.under(self._key(mark)), None, weight)

    def _take_key(self, text: str, mark: Mark) -> None:
        top = self._stack[-1]
        if text == "<<":
            raise self._refuse(
                mark, "`<<` is not of YAML 1.2: name the part under `profiles` and take it in with `use`"
            )
        if text in top.pairs:
            first = top.pairs[text].key
            told = f"this key stands twice, first in line {first.line}: remove one"
            self._problems.at(mark, f"{join(top.path, text)}: {told}")
        top.name, top.name_mark = text, mark

    def _meaning(self, text: str, node: Node) -> Node:
        try:
            filled = Filled(text) if _EXPRESSION.match(node.path) else fill(text, self._environ)
            value = resolve(filled.text, is_plain=node.style == "plain")
        except ScalarError as error:
            self._problems.add(node, str(error))
            return replace(node, is_faulty=True)
        return replace(node, value=value, variables=filled.variables)

    def _put(self, node: Node, anchor: str | None, weight: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        top.weight += weight
        if top.is_list:
            top.items.append(node)
        elif top.name is not None:
            top.pairs.setdefault(top.name, node)
            top.name = top.name_mark = None

    def _spend(self, weight: int, mark: Mark) -> None:
        self._count += weight
        if self._count > MAX_NODES:
            raise self._refuse(mark, f"more than {MAX_NODES:,} values, counting what aliases repeat: split the file")

    def _awaits_key(self) -> bool:
        return bool(self._stack) and not self._stack[-1].is_list and self._stack[-1].name is None

    def _key(self, mark: Mark) -> Mark:
        return (self._stack[-1].name_mark or mark) if self._stack else mark

    def _refuse(self, mark: Mark, text: str) -> ConfigError:
        path = self._path()
        return _refuse(mark, f"{path}: {text}" if path else text)

    def _path(self) -> str:
        if not self._stack:
            return ""
        top = self._stack[-1]
        if top.is_list:
            return join(top.path, len(top.items))
        return top.path if top.name is None else join(top.path, top.name)


_HANDLERS: Final[Mapping[type, Callable[[_Reader, Any, Mark], None]]] = {
    yaml.DocumentStartEvent: _Reader.document,
    yaml.MappingStartEvent: _Reader.open,
    yaml.SequenceStartEvent: _Reader.open,
    yaml.MappingEndEvent: _Reader.close,
    yaml.SequenceEndEvent: _Reader.close,
    yaml.ScalarEvent: _Reader.scalar,
    yaml.AliasEvent: _Reader.alias,
}


def _after(text: str, file: str) -> Mark:
    lines = _LINE_END.split(text)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def _refuse(mark: Mark, text: str) -> ConfigError:
    return ConfigError([Problem(*mark, text)])
