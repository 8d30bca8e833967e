"""The JSON Schema of the language, from the models: what editors complete and explain.

It describes what is written, so it differs from what pydantic would say of the values: durations are texts, what is
absent is no `null`, a variable may stand for any scalar, and a profile may bring what a route or source lacks.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from bridge.config.model import Limits, Policy, RouteKeys, Server, SourceKeys
from bridge.config.validate import models_of
from bridge.sources import KINDS

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TITLE: Final = "sse-bridge routes.yaml"

#: Draft 2020-12 keeps the user's own keys out of `additionalProperties` by a pattern of their own.
_OWN: Final = {"^x-": True}

_USE: Final[Schema] = {
    "description": "Take in profiles by name; a later one counts over an earlier one.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
}
_VARIABLE: Final[Schema] = {"$ref": "#/$defs/Variable"}

#: Types whose values a variable may stand for; a text may hold one anywhere.
_SCALARS: Final = ("integer", "number", "boolean")


def schema() -> Schema:
    """Return the schema of a configuration file."""
    found = _definitions()
    common = found.pop(SourceKeys)["properties"]
    kinds = {kind: _kind(kind, found.pop(model), common) for kind, model in KINDS.items()}
    route = found.pop(RouteKeys)
    route["properties"] = {"use": _USE, **route["properties"]}
    of_profiles = {name: each for kind in kinds.values() for name, each in kind["properties"].items()}
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "type": "object",
        "properties": {
            "version": {"const": 1, "description": "The version of this language."},
            "server": _section(Server),
            "limits": _section(Limits),
            "defaults": _section(Policy),
            "profiles": _mapping(
                _profile(route, of_profiles), "Named parts for sources and routes, taken in by `use:`."
            ),
            "auth": {"const": "anonymous", "description": "`anonymous` lets everyone read every route."},
            "sources": _mapping({"$ref": "#/$defs/Source"}, "Where events come from, by name."),
            "routes": _mapping({"$ref": "#/$defs/Route"}, "Where events go: what browsers open, by path."),
        },
        "patternProperties": _OWN,
        "additionalProperties": False,
        "$defs": {
            **{name_of(model): each for model, each in found.items()},
            **{f"Source.{kind}": each for kind, each in kinds.items()},
            "Source": {"anyOf": [*({"$ref": f"#/$defs/Source.{kind}"} for kind in kinds), _any_kind(of_profiles)]},
            "Route": route,
            "Variable": {"type": "string", "pattern": r"\$\{", "description": "An environment variable."},
        },
    }


def name_of(model: type[BaseModel]) -> str:
    """Return what a model is called among the definitions: two kinds may have parts of the same name, or one part."""
    kinds = [kind for kind, source in KINDS.items() if model in models_of(source)]
    return f"{kinds[0]}.{model.__name__}" if len(kinds) == 1 else model.__name__


def _definitions() -> dict[type[BaseModel], Schema]:
    """Return each model as what is written, its references by `name_of`."""
    top: list[type[BaseModel]] = [Server, Limits, Policy, RouteKeys, SourceKeys, *KINDS.values()]
    models = [*top, *_nested(top)]
    references, document = models_json_schema([(model, "validation") for model in models])
    ours = {references[model, "validation"]["$ref"].rpartition("/")[2]: model for model in models}
    text = json.dumps(document["$defs"])
    for name, model in ours.items():
        text = text.replace(f'"#/$defs/{name}"', f'"#/$defs/{name_of(model)}"')
    found = {ours[name]: _written(each) for name, each in json.loads(text).items()}
    for model, each in found.items():
        _set_defaults(model, each)
    # What is described by hand, as `Retry` is, is referred to by nobody.
    used = json.dumps(list(found.values()))
    return {m: each for m, each in found.items() if m in top or f'"#/$defs/{name_of(m)}"' in used}


def default_of(model: type[BaseModel], name: str) -> object:
    """Return a field's default as one would write it; None where there is none."""
    field = model.model_fields[name]
    if field.is_required() or field.default_factory is not None:
        return None
    form: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    default = TypeAdapter(form).dump_python(field.default, mode="json", by_alias=True)
    return {k: v for k, v in default.items() if v is not None} if isinstance(default, dict) else default


def _nested(models: list[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield the models within models."""
    seen = set(models)
    queue = list(models)
    while queue:
        for inner in models_of(queue.pop()):
            if inner not in seen:
                seen.add(inner)
                queue.append(inner)
                yield inner


def _set_defaults(model: type[BaseModel], described: Schema) -> None:
    for name, field in model.model_fields.items():
        each = described["properties"][field.alias or name]
        each.pop("default", None)
        default = default_of(model, name)
        if default is not None and default not in ([], {}):
            each["default"] = default


def _kind(kind: str, described: Schema, common: Schema) -> Schema:
    """Return the schema of a source of one kind; a profile may bring what it requires."""
    required = described.pop("required", [])
    named = {"kind": {"const": kind, "description": described.get("description", "")}, "use": _USE}
    return {
        **described,
        "properties": {**named, **described["properties"], **common},
        "required": ["kind"],
        **({"anyOf": [{"required": required}, {"required": ["use"]}]} if required else {}),
    }


def _any_kind(properties: Schema) -> Schema:
    """Return the schema of a source whose kind a profile brings."""
    return {
        **_loose({**properties, "kind": False}),
        "required": ["use"],
        "description": "A source with a profile's kind.",
    }


def _profile(route: Schema, of_sources: Schema) -> Schema:
    properties = {**of_sources, **route["properties"], "kind": {"enum": list(KINDS)}}
    properties.pop("use", None)
    return _loose(properties)


def _loose(properties: Mapping[str, Any]) -> Schema:
    return {"type": "object", "properties": dict(properties), "patternProperties": _OWN, "additionalProperties": False}


def _section(model: type[BaseModel]) -> Schema:
    """Return the schema of a section with keys of its own; one with comments alone is allowed."""
    return {"anyOf": [{"$ref": f"#/$defs/{name_of(model)}"}, {"type": "null"}], "description": model.__doc__}


def _mapping(values: Schema, description: str) -> Schema:
    """Return the schema of a section whose keys are names; one with comments alone is allowed."""
    return {
        "type": ["object", "null"],
        "patternProperties": _OWN,
        "additionalProperties": values,
        "description": description,
    }


def _written(node: Any) -> Any:
    """Return a schema of values as one of what is written."""
    if isinstance(node, list):
        return [_written(item) for item in node]
    if not isinstance(node, dict):
        return node
    out: Schema = {}
    for key, value in node.items():
        if key in {"properties", "$defs"}:
            out[key] = {name: _written(each) for name, each in value.items()}
        elif key in {"default", "examples", "const", "enum", "required"}:
            out[key] = value
        elif key != "title":
            out[key] = _written(value)
    return _shaped(out)


def _shaped(node: Schema) -> Schema:
    for key in ("anyOf", "oneOf"):
        if key in node:
            forms = [form for form in _flat(node.pop(key)) if form != {"type": "null"}]
            node = {**forms[0], **node} if len(forms) == 1 else {"anyOf": forms, **node}
    if node.get("type") == "array":
        # A list that comes through a validator of ours is described as a text would be.
        for text, items in (("minLength", "minItems"), ("maxLength", "maxItems")):
            if text in node:
                node[items] = node.pop(text)
    if node.get("type") == "object" and "properties" in node:
        node["patternProperties"] = _OWN
    node.pop("format", None)
    return _with_variable(node)


def _with_variable(node: Schema) -> Schema:
    """Let a variable stand for a scalar that is not any text."""
    if node.get("type") not in _SCALARS and "pattern" not in node and "enum" not in node:
        return node
    about: Schema = {key: node.pop(key) for key in ("description", "examples", "default") if key in node}
    return {"anyOf": [node, _VARIABLE], **about}


def _flat(forms: list[Schema]) -> Iterator[Schema]:
    for form in forms:
        if set(form) == {"anyOf"}:
            yield from _flat(form["anyOf"])
        elif form != _VARIABLE or not any(other == _VARIABLE for other in forms[: forms.index(form)]):
            yield form
