"""What holds in the end: every value of a configuration, and the layer that it comes from.

The keys stand as in the file; behind each value is the place that says so, or `built in`. A secret shows where it is
found and never what it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import BaseModel

from bridge.config.draft import Draft
from bridge.config.load import Loaded
from bridge.config.model import SourceKeys
from bridge.config.node import Node
from bridge.config.schema import default_of
from bridge.config.wording import as_yaml
from bridge.secret import Secret

#: Where origins begin, unless the value is longer.
_COLUMN: Final = 56


def resolved(loaded: Loaded) -> Iterator[str]:
    """Yield the lines."""
    config, draft = loaded
    yield _line(0, "version", "1", draft.root.at("version"))
    for name, model in (("server", config.server), ("limits", config.limits)):
        yield f"{name}:"
        yield from _model(model, draft.root.at(name), 1)
    if config.auth is not None:
        yield _line(0, "auth", config.auth, draft.root.at("auth"))
    yield from _sources(loaded)
    yield from _routes(loaded, draft)


def _sources(loaded: Loaded) -> Iterator[str]:
    yield "sources:"
    for name, spec in loaded.config.sources.items():
        node = loaded.draft.sources[name].node
        yield f"  {as_yaml(name)}:"
        yield _line(2, "kind", spec.kind, node.at("kind"))
        yield from _model(spec.source, node, 2)
        common = SourceKeys.model_construct(bind=spec.bind, capture=spec.capture, required=spec.required)
        yield from _model(common, node, 2)


def _routes(loaded: Loaded, draft: Draft) -> Iterator[str]:
    yield "routes:"
    for path, spec in loaded.config.routes.items():
        yield f"  {as_yaml(path)}:"
        if spec.gone:
            yield _line(2, "gone", "true", draft.routes[path].node.at("gone"))
        else:
            yield from _model(spec, draft.routes[path].node, 2, without=("path", "gone"))


def _model(model: BaseModel, node: Node | None, depth: int, without: Sequence[str] = ()) -> Iterator[str]:
    """Yield each key of a model: as the file has it where it does, else as it is built in."""
    for name, field in type(model).model_fields.items():
        if name in without:
            continue
        key = field.alias or name
        value = getattr(model, name)
        given = node.mapping.get(key) if node is not None else None
        if isinstance(value, BaseModel) and _is_open(type(model), name, given):
            yield f"{'  ' * depth}{key}:"
            yield from _model(value, given, depth + 1)
        elif given is not None:
            yield from _given(key, given, depth, is_secret=isinstance(value, Secret))
        else:
            default = default_of(type(model), name)
            if field.default_factory is not None:
                default = model.model_dump(mode="json", include={name})[name]
            yield _line(depth, key, "(unset)" if default is None else as_yaml(default), None)


def _is_open(model: type[BaseModel], name: str, given: Node | None) -> bool:
    """Tell whether a field is a mapping whose keys come from several layers, so that each shows its own."""
    if given is None or isinstance(default_of(model, name), Mapping):
        return isinstance(default_of(model, name), Mapping)
    return len({(node.mark.file, node.origin) for node in given.mapping.values()}) > 1


def _given(key: str, node: Node, depth: int, *, is_secret: bool) -> Iterator[str]:
    shown = as_yaml(node.plain())
    yield _line(depth, key, f"{shown} (hidden)" if is_secret else shown, node)


def _line(depth: int, key: str, value: str, node: Node | None) -> str:
    text = f"{'  ' * depth}{as_yaml(key)}: {value}"
    return f"{text:{_COLUMN}}  # {_origin(node)}"


def _origin(node: Node | None) -> str:
    if node is None:
        return "built in"
    place = f"{node.mark.file}:{node.mark.line}"
    return ", ".join((*((node.origin,) if node.origin else ()), place, *_filled(node)))


def _filled(node: Node) -> Iterator[str]:
    """Say what the environment did to a value: gave it, or was asked in vain, so that a default stands."""
    variables = sorted(node.filled)
    if any(not variable.is_default for variable in variables):
        yield "from the environment"
    if unset := [f"${{{variable.name}}}" for variable in variables if variable.is_default]:
        yield f"the default of {' and '.join(unset)}"
