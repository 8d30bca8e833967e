"""Write `docs/reference.md` and `config/routes.schema.json` from the models.

    python -m bridge.config.reference        writes both

A test fails when either is not what the models say.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from bridge.config import unbuilt
from bridge.config.model import Cors, Feed, Heartbeat, History, Listing, Policy, RouteKeys, SourceKeys
from bridge.config.observed import Canary, Log, Traces
from bridge.config.prose import ADMIN, INTRODUCTION, ROUTES, SOURCES, TOP, UPSTREAMS, names
from bridge.config.schema import default_of, name_of, schema
from bridge.config.server import Limits, Reload, Replay, Server
from bridge.config.types import Host, Listen, Network, Origin, Rate
from bridge.config.upstream import PrefixedUpstream, Upstream
from bridge.config.validate import keys_of, models_of
from bridge.config.wording import as_yaml
from bridge.sources import KINDS
from bridge.units import Duration, Size, duration_text, size_text

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "docs" / "reference.md"
SCHEMA: Final = ROOT / "config" / "routes.schema.json"


class Part(NamedTuple):
    """One table."""

    title: str
    model: type[BaseModel]
    about: str = ""
    without: frozenset[str] = frozenset()


def parts() -> Iterator[Part]:
    """Yield the tables in the order of the page."""
    yield Part("server", Server, _doc(Server))
    yield Part("reload", Reload, _doc(Reload))
    yield Part("log", Log, _doc(Log))
    yield Part("traces", Traces, _doc(Traces))
    yield Part("canary", Canary, _doc(Canary))
    yield Part("upstream", Upstream, _doc(Upstream))
    yield Part("upstreams", PrefixedUpstream, UPSTREAMS, frozenset(Upstream.model_fields))
    yield Part("limits", Limits, _doc(Limits))
    yield Part("limits.replay", Replay, _doc(Replay))
    yield Part("defaults", Policy, _doc(Policy))
    yield Part("heartbeat", Heartbeat, _doc(Heartbeat))
    yield Part("history", History, _doc(History))
    yield Part("cors", Cors, _doc(Cors))
    yield Part("routes", RouteKeys, ROUTES, frozenset(Policy.model_fields))
    yield Part("from", Feed, _doc(Feed))
    yield Part("list", Listing, _doc(Listing))
    yield Part("sources", SourceKeys, SOURCES)
    told: set[type[BaseModel]] = set()
    for kind, model in KINDS.items():
        yield Part(f"kind: {kind}", model, _doc(model))
        for inner in models_of(model):
            if len(inner.model_fields) > 1 and inner not in told:
                # What several kinds share is told once, after the first of them.
                told.add(inner)
                yield Part(name_of(inner).lower(), inner, _doc(inner))


def reference() -> str:
    """Return the page."""
    document = schema()
    defined = document["$defs"]
    pages = [INTRODUCTION, TOP]
    for part in parts():
        properties = _properties(part, defined)
        rows = [_row(part.model, name, properties) for name in part.model.model_fields if name not in part.without]
        if part.model in {RouteKeys, SourceKeys}:
            use = properties["use"]
            rows.insert(0, f"| `use` | {_cell(_type(use))} |  | {_cell(use['description'])} For example `[a, b]`. |\n")
        pages.append(f"## {part.title}\n\n{part.about.strip()}\n\n{_HEAD}{''.join(rows)}")
    pages += [names(), ADMIN, _later()]
    return "\n".join(pages)


_OR_NONE: Final = " or `none`"

_HEAD: Final = "| key | type | default | what |\n|---|---|---|---|\n"


def _properties(part: Part, defined: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = part.title.removeprefix("kind: ")
    name = {SourceKeys: f"Source.{next(iter(KINDS))}", RouteKeys: "Route"}.get(part.model, name_of(part.model))
    found: Mapping[str, Any] = defined[f"Source.{kind}" if kind in KINDS else name]["properties"]
    return found


def _row(model: type[BaseModel], name: str, properties: Mapping[str, Any]) -> str:
    field = model.model_fields[name]
    key = field.alias or name
    default = default_of(model, name)
    shown = "" if default is None or default in ([], {}, "") else f"`{as_yaml(default)}`"
    if field.is_required():
        shown = "(required)"
    what = " ".join((field.description or "").split())
    examples = [f"`{as_yaml(each)}`" for each in field.examples or () if as_yaml(each) != as_yaml(default)]
    if examples and not _says_all(properties[key]):
        what += f" For example {', '.join(examples)}."
    kind = _type(properties[key])
    plain = kind.removesuffix(_OR_NONE)
    kind = plain + _bounds(field, plain) + kind[len(plain) :]
    return f"| `{key}` | {_cell(kind)} | {_cell(shown)} | {_cell(what)} |\n"


def _bounds(field: FieldInfo, kind: str) -> str:
    """Say between what a number, a duration or a size must lie, where the field says so."""
    least: list[str] = []
    most: list[str] = []
    for limit in _limits(field):
        match limit:
            case Ge(ge=value):
                least.append(_amount(value, kind))
            case Gt(gt=value):
                least.append(f"more than {_amount(value, kind)}")
            case Le(le=value):
                most.append(_amount(value, kind))
            case Lt(lt=value):
                most.append(f"less than {_amount(value, kind)}")
    if least and most:
        return f", {least[0]} to {most[0]}"
    if least:
        return f", {least[0]}" if " " in least[0] else f", at least {least[0]}"
    return "".join(f", {word}" if " " in word else f", at most {word}" for word in most)


def _amount(value: Any, kind: str) -> str:
    if kind == "duration":
        return duration_text(float(value))
    return size_text(int(value)) if kind == "size" else f"{value:,}"


def _limits(field: FieldInfo) -> Iterator[object]:
    """Yield what a field's annotation holds: of `int | None` the bounds stand with the number."""
    yield from field.metadata
    for form in get_args(field.annotation):
        for each in getattr(form, "__metadata__", ()):
            yield from each.metadata if isinstance(each, FieldInfo) else (each,)


def _says_all(described: Mapping[str, Any]) -> bool:
    """Tell whether the type says what there is to choose, so that examples would only repeat it."""
    forms = described.get("anyOf", [described])
    return all({"enum", "const", "$ref"} & form.keys() or form.get("type") == "boolean" for form in forms)


#: What a definition is called in the page, and where it is told.
_LINKS: Final = {
    "PrefixedUpstream": "[mapping](#upstreams)",
    "Replay": "[mapping](#limitsreplay)",
    "Listing": "[mapping](#list)",
    "Feed": "[mapping](#from)",
    "Last": "`{ last: N }`",
    "file.Last": "`{ last: N }`",
    "mqtt.Session": "`{ expiry: … }`",
    "kafka.Since": "`{ since: … }`",
    "kafka.Offsets": "`{ offsets: … }`",
    "Token": "`{ file: … }`",
}
_WORDS: Final = {"string": "text", "integer": "number", "number": "number", "boolean": "`true` or `false`"}


def _patterns() -> dict[str, str]:
    named: dict[str, Any] = {
        "duration": Duration,
        "size": Size,
        "rate": Rate,
        "address": Listen,
        "origin": Origin,
        "host": Host,
        "network": Network,
    }
    return {TypeAdapter(form).json_schema()["pattern"]: name for name, form in named.items()}


def _type(described: Mapping[str, Any]) -> str:
    """Name a type in the words of the language."""
    if "$ref" in described:
        name = described["$ref"].rpartition("/")[2]
        # As GitHub makes anchors of headings.
        return _LINKS.get(name, f"[mapping](#{name.lower().replace('.', '')})")
    if "anyOf" in described:
        forms = [form for form in described["anyOf"] if form.get("$ref") != "#/$defs/Variable"]
        if all(set(form.get("properties", ())) in ({"file"}, {"env"}) for form in forms):
            return "secret"
        return " or ".join(dict.fromkeys(map(_type, forms)))
    if "const" in described or "enum" in described:
        words = described.get("enum", [described.get("const")])
        return ", ".join(f"`{as_yaml(word)}`" for word in words)
    if "pattern" in described:
        return _patterns().get(described["pattern"], "text")
    return _plain_type(described)


def _plain_type(described: Mapping[str, Any]) -> str:
    kind = described.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join(_WORDS.get(each, "mapping") for each in kind)
    if kind == "array":
        return f"list of {_type(described.get('items', {}))}"
    if kind == "object":
        inner = list(described.get("properties", ()))
        return f"`{{ {': …, '.join(inner)}: … }}`" if inner else "mapping"
    return _WORDS.get(str(kind), str(kind))


def _kinds(key: str) -> str:
    """Name the kinds that have a key."""
    return " or ".join(f"`{kind}`" for kind, model in KINDS.items() if key in keys_of(model))


def _later() -> str:
    keys = ", ".join(f"`{key}`" for key in sorted(unbuilt.ROUTE | unbuilt.SOURCE | unbuilt.SERVER))
    values = "`slow: conflate`, `slow: { sample: … }`, `auth` with issuers, `auth: { require: … }`"
    params = f"`params` is that of a route; a source of kind {_kinds('params')} has one"
    return (
        "## Not built yet\n\n"
        "These belong to the language and are refused as such, never accepted and ignored.\n\n"
        f"- Keys: {keys}. {params}.\n- Values: {values}.\n"
        "- Expressions in `event`, `key`, `capture` and `bind`: names and plain paths alone.\n"
    )


def _doc(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").split("\n\n", maxsplit=1)[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _dump(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def written() -> Sequence[tuple[Path, str]]:
    """Return what is generated: where, and what."""
    return ((REFERENCE, reference()), (SCHEMA, _dump(schema())))


def main() -> None:
    """Write the files."""
    for path, text in written():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
