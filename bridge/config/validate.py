"""A node made a model: pydantic checks, and each of its errors goes back to the place it is about."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.config import unbuilt
from bridge.config.near import hint, listed, nearest
from bridge.config.node import Node, join
from bridge.config.problems import Problems
from bridge.config.wording import missing, wrong
from bridge.contents import KEY
from bridge.errors import Problem

M = TypeVar("M", bound=BaseModel)

#: What the core of pydantic calls the errors that are about a key and not about a value.
_UNKNOWN: Final = "extra_forbidden"
_MISSING: Final = "missing"
_WORD: Final = "literal_error"
_NO_MAPPING: Final = frozenset({"model_type", "model_attributes_type", "dict_type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What values are resolved with."""

    #: Where relative paths start.
    folder: Path
    environ: Mapping[str, str]
    #: What the files hold that are read beside the configuration's own: secrets, certificates.
    contents: dict[Path, str] = dataclasses.field(default_factory=dict[Path, str])

    @property
    def context(self) -> dict[str, object]:
        """Return what validators may look at."""
        return {"folder": self.folder, "environ": self.environ, KEY: self.contents}


def _no_home(_: str) -> None:
    """Stand in for a section that knows no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The part of the language that a node belongs to, for the words of its errors."""

    name: str = ""
    #: Keys that are known here beside the model's own.
    also: frozenset[str] = frozenset()
    #: Where a key that is unknown here belongs.
    home: Callable[[str], str | None] = _no_home
    #: A profile by itself: what it lacks comes from where it is used.
    is_partial: bool = False


def validate(
    model: type[M], node: Node, around: Surroundings, problems: Problems, section: Section | None = None
) -> M | None:
    """Return the model of a node, noting each problem at its place.

    Where some keys are wrong the model of the others is returned if there is one, so that what depends on them is
    checked as well.
    """
    try:
        found = _build(model, node, around)
    except ValidationError as error:
        details = [each for each in error.errors(include_url=False) if not _is_told(each, node)]
        told = [_tell(model, detail, node, problems, section or Section()) for detail in _relevant(details, node)]
        _note_nulls(node, problems, told)
        return _rest(model, node.without(*(str(detail["loc"][0]) for detail in details if detail["loc"])), around)
    _note_nulls(node, problems, ())
    return found


def keys_of(model: type[BaseModel]) -> frozenset[str]:
    """Return the YAML keys of a model."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _build(model: type[M], node: Node, around: Surroundings) -> M:
    plain = _rooted(model, node.plain(), around.folder)
    return model.model_validate(plain, context=around.context, by_alias=True, by_name=False)


def _is_told(detail: ErrorDetails, node: Node) -> bool:
    """Tell whether an error is about what could not even be read, which is told already."""
    return detail["type"] not in {_UNKNOWN, _MISSING} and _walk(node, detail["loc"]).has_faulty


def _relevant(details: Sequence[ErrorDetails], node: Node) -> list[ErrorDetails]:
    """Leave out what only repeats another: a mapping is no word, a word no mapping, a misspelt key is missing."""
    places = [_walk(node, detail["loc"]) for detail in details]
    words = {id(place) for place, detail in zip(places, details, strict=True) if detail["type"] == _WORD}
    return [
        detail
        for place, detail in zip(places, details, strict=True)
        if not (detail["type"] == _WORD and place.is_mapping and len(details) > 1)
        and not (detail["type"] in _NO_MAPPING and id(place) in words)
        and not (detail["type"] == _MISSING and _is_misspelt(detail, details))
    ]


def _is_misspelt(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    *parent, key = detail["loc"]
    unknown = [str(d["loc"][-1]) for d in details if d["type"] == _UNKNOWN and list(d["loc"][:-1]) == parent]
    return any(nearest(word, [str(key)]) for word in unknown)


def _rest(model: type[M], node: Node, around: Surroundings) -> M | None:
    try:
        return _build(model, node, around)
    except ValidationError:
        return None


def _rooted(model: type[BaseModel], plain: object, folder: Path) -> object:
    """Let relative paths start at the file's folder."""
    if not isinstance(plain, dict):
        return plain
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in plain or Path not in _leaves(field.annotation):
            continue
        value = plain[key]
        if isinstance(value, dict):
            plain[key] = {k: str(folder / v) if isinstance(v, str) else v for k, v in value.items()}
        elif isinstance(value, str) and value:
            plain[key] = str(folder / value)
    return plain


def _leaves(annotation: Any) -> Iterator[Any]:
    args = get_args(annotation)
    if not args:
        yield annotation
    for arg in args:
        yield from _leaves(arg)


def _tell(model: type[BaseModel], detail: ErrorDetails, node: Node, problems: Problems, section: Section) -> Node:
    """Note one error of pydantic; return the node it is about."""
    kind, loc = detail["type"], detail["loc"]
    if kind in {_UNKNOWN, _MISSING} and loc:
        parent, key = _walk(node, loc[:-1]), str(loc[-1])
        if kind == _UNKNOWN:
            problems.extend([_unknown(model, loc, parent, section)])
        elif not section.is_partial:
            field = next(
                (f for m in _models(model, loc[:-1]) for n, f in m.model_fields.items() if (f.alias or n) == key)
            )
            problems.at(parent.key, f"{join(parent.path, key)}: {missing(key, field.examples)}")
        return parent
    place = _walk(node, loc)
    if len(place.mapping) == 1 and len(loc) > 1 and place is _walk(node, loc[:-1]):
        # `{ exact: 5s }` is checked under another name: the value is what the error is about.
        place = next(iter(place.mapping.values()))
    if loc:
        other = [f"{{ {key}: … }}" for m in _models(model, loc) if m is not model for key in sorted(keys_of(m))]
        is_word = kind == _WORD and not place.is_mapping
        problems.add(place, f"{wrong(detail, place)}{' or ' + other[0] if is_word and other else ''}")
    elif not section.is_partial:
        problems.at_key(place, wrong(detail, place))
    return place


def _unknown(model: type[BaseModel], loc: Sequence[int | str], parent: Node, section: Section) -> Problem:
    """Say what to do about a key that is none, or none yet."""
    key, is_top = str(loc[-1]), len(loc) == 1
    place = parent.mapping.get(key, parent)
    path = join(parent.path, key) if place is parent else place.path
    if is_top and key in unbuilt.KEYS.get(section.name, ()):
        return Problem(*place.key, f"{path}: `{key}` is not built yet")
    known = frozenset[str]().union(*map(keys_of, _models(model, loc[:-1])), section.also if is_top else ())
    home = section.home(key) if is_top else None
    said = f"; it belongs {home}" if home else hint(key, known) or f"; known are {listed(known)}"
    return Problem(*place.key, f"{path}: unknown key{said}")


def _walk(node: Node, loc: Sequence[int | str]) -> Node:
    """Return the innermost node that a place leads to; what is no key there is a name of pydantic's own."""
    for part in loc:
        if isinstance(part, str):
            node = node.mapping.get(part, node)
        elif part < len(node.items):
            node = node.items[part]
    return node


def _models(model: type[BaseModel], loc: Sequence[int | str]) -> list[type[BaseModel]]:
    """Return the models that stand at a place."""
    found = [model]
    for part in loc:
        fields = [f for m in found for name, f in m.model_fields.items() if (f.alias or name) == part]
        if fields:
            # None where a plain value stands. What is no field is a name of pydantic's own, or a key of a user's.
            found = [leaf for f in fields for leaf in _leaves(f.annotation) if _is_model(leaf)]
    return found


def models_of(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models that the fields of one hold."""
    return [leaf for field in model.model_fields.values() for leaf in _leaves(field.annotation) if _is_model(leaf)]


def _is_model(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, BaseModel)


def _note_nulls(node: Node, problems: Problems, told: Sequence[Node]) -> None:
    """Note each key that has no value, unless more was said of it already."""
    # An unknown key is told at its parent, whose other values are still looked at.
    for null in node.nulls([place for place in told if place is not node]):
        problems.add(null, "has no value: give one, or remove the key")
