"""Each section of the document as models, with the nodes that they were made of.

What is checked here needs one section alone; `checks` looks across.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from pydantic import BaseModel

from bridge.config import unbuilt
from bridge.config.files import SECTIONS, unknown_section
from bridge.config.merge import merge, with_profiles
from bridge.config.model import Limits, Policy, RouteKeys, RouteSpec, Server, SourceKeys, SourceSpec
from bridge.config.near import hint, listed
from bridge.config.node import OWN, Node, shorten
from bridge.config.problems import Problems
from bridge.config.validate import Section, Surroundings, keys_of, validate
from bridge.sources import KINDS

M = TypeVar("M", bound=BaseModel)

#: The version of the language.
VERSION: Final = 1

#: What names a source: it stands in addresses, metrics and logs.
SOURCE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
#: What names a profile: without a dot, since it stands in the paths of keys.
PROFILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")

#: Keys of a source that are not its kind's.
COMMON: Final = keys_of(SourceKeys)
WRAPPING: Final = frozenset({"kind", "use"})


@dataclass(frozen=True, slots=True)
class DraftSource:
    """A source with its layers merged; `spec` is None where too much is wrong to make one."""

    node: Node
    spec: SourceSpec | None
    #: A value in it could not be read, so its names may be others than the model has.
    is_faulty: bool = False


@dataclass(frozen=True, slots=True)
class DraftRoute:
    """A route with its layers merged; `own` is what stands beneath its path alone."""

    node: Node
    own: Node
    spec: RouteSpec

    def feed(self, number: int) -> Node:
        """Return where one of its sources is named."""
        given = self.node.mapping.get("from", self.node)
        return given.items[number] if number < len(given.items) else given


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The document, section by section."""

    root: Node
    server: Server
    limits: Limits
    auth: Literal["anonymous"] | None
    sources: Mapping[str, DraftSource] = field(default_factory=dict[str, DraftSource])
    routes: Mapping[str, DraftRoute] = field(default_factory=dict[str, DraftRoute])


def draft(root: Node, around: Surroundings, problems: Problems) -> Draft | None:
    """Return the document as models; None for one that this version cannot read at all."""
    if not _is_ours(root, problems):
        return None
    for name, node in root.mapping.items():
        if name in unbuilt.DOCUMENT:
            problems.at_key(node, "not built yet")
        elif name not in SECTIONS and not name.startswith(OWN):
            problems.at(node.key, f"{shorten(name)}: {_home(name) or unknown_section(name)}")
    profiles = _section(root, "profiles", problems).mapping
    _check_profiles(profiles, _used(root), around, problems)
    defaults = _section(root, "defaults", problems)
    validate(Policy, defaults, around, problems, Section(name="defaults", home=_elsewhere))
    # What is wrong there is told once, not by each route.
    defaults = defaults.only(*keys_of(Policy))
    return Draft(
        root=root,
        server=_part(Server, root, "server", around, problems) or Server(),
        limits=_part(Limits, root, "limits", around, problems) or Limits(),
        auth=_auth(root, problems),
        sources=_sources(_section(root, "sources", problems), profiles, around, problems),
        routes=_routes(_section(root, "routes", problems), profiles, defaults, around, problems),
    )


def _is_ours(root: Node, problems: Problems) -> bool:
    version = root.mapping.get("version")
    if version is None or version.is_faulty or version.value == VERSION:
        return True
    if isinstance(version.value, int) and version.value > VERSION:
        problems.add(version, f"this file needs a newer sse-bridge: this one knows version {VERSION} of the language")
        return False
    problems.add(version, f"expected {VERSION}, without quotes")
    return True


def _section(root: Node, name: str, problems: Problems) -> Node:
    """Return a section's mapping; an empty one where it is absent, or has nothing but comments."""
    node = root.mapping.get(name)
    if node is None:
        return Node({}, root.mark, root.key, name, "block")
    if not node.is_mapping and node.value is not None:
        problems.add(node, "expected a mapping")
    own = [key for key in node.mapping if key.startswith(OWN)]
    return node.without(*own)


def _part(model: type[M], root: Node, name: str, around: Surroundings, problems: Problems) -> M | None:
    return validate(model, _section(root, name, problems), around, problems, Section(name=name, home=_elsewhere))


def _auth(root: Node, problems: Problems) -> Literal["anonymous"] | None:
    node = root.mapping.get("auth")
    if node is None:
        return None
    if node.value == "anonymous" or node.is_faulty:
        return "anonymous"
    if node.is_mapping:
        problems.at_key(
            node, "`auth` with issuers is not built yet: write `auth: anonymous`, or leave it out on loopback"
        )
    else:
        problems.add(node, "expected `anonymous`")
    return None


# -- profiles


def _used(root: Node) -> frozenset[str]:
    entries = [node for name in ("sources", "routes") for node in (root.at(name) or root).mapping.values()]
    uses = [use for node in entries if (use := node.mapping.get("use")) is not None]
    return frozenset(name.text for use in uses for name in (use, *use.items) if name.text is not None)


def _check_profiles(
    profiles: Mapping[str, Node], used: frozenset[str], around: Surroundings, problems: Problems
) -> None:
    """Check what no use of a profile checks: its name, its form, and all of one that nobody uses."""
    for name, node in profiles.items():
        if not PROFILE_NAME.fullmatch(name):
            problems.at_key(node, "a profile's name has at most 64 letters, digits, _ and -, and begins with no -")
        if not node.is_mapping:
            problems.add(node, "expected a mapping")
        elif "use" in node.mapping:
            problems.at_key(node.mapping["use"], "a profile cannot take in another: name both in `use: [a, b]`")
        elif name not in used:
            _check_unused(node, around, problems)


def _check_unused(node: Node, around: Surroundings, problems: Problems) -> None:
    kind = node.mapping.get("kind")
    if kind is not None and kind.text not in KINDS:
        _tell_kind(node, kind, problems)
        return
    if kind is not None and kind.text is not None:
        partial = Section(name="sources", also=COMMON | WRAPPING, is_partial=True)
        validate(KINDS[kind.text], node.without(*COMMON, *WRAPPING), around, problems, partial)
        validate(SourceKeys, node.only(*COMMON), around, problems, partial)
        return
    of_sources = frozenset[str]().union(COMMON, WRAPPING, *map(keys_of, KINDS.values())) - keys_of(RouteKeys)
    partial = Section(name="profiles", also=of_sources, is_partial=True)
    validate(RouteKeys, node.without(*of_sources), around, problems, partial)


# -- sources


def _sources(
    section: Node, profiles: Mapping[str, Node], around: Surroundings, problems: Problems
) -> dict[str, DraftSource]:
    found: dict[str, DraftSource] = {}
    for name, own in section.mapping.items():
        if not SOURCE_NAME.fullmatch(name):
            problems.at_key(own, "a source's name has at most 64 letters, digits, . _ and -, and begins with no . or -")
        if own.is_mapping:
            node = with_profiles(own, profiles, problems)
            found[name] = DraftSource(node, _source(node, around, problems), node.has_faulty)
        else:
            problems.add(own, "expected a mapping, for example { kind: push }")
            found[name] = DraftSource(own, None)
    return found


def _source(node: Node, around: Surroundings, problems: Problems) -> SourceSpec | None:
    kind = node.mapping.get("kind")
    if kind is None or kind.text is None or kind.text not in KINDS:
        _tell_kind(node, kind, problems)
        return None
    model = KINDS[kind.text]
    section = Section(name="sources", also=COMMON | WRAPPING, home=_elsewhere)
    source = validate(model, node.without(*COMMON, *WRAPPING), around, problems, section)
    keys = validate(SourceKeys, node.only(*COMMON), around, problems)
    if source is None:
        return None
    keys = keys or SourceKeys()
    return SourceSpec(source=source, kind=kind.text, bind=keys.bind, capture=keys.capture, required=keys.required)


def _tell_kind(node: Node, kind: Node | None, problems: Problems) -> None:
    known = listed(KINDS)
    if kind is None:
        problems.at_key(node, f"`kind` is missing: one of {known}")
    elif kind.value is None:
        problems.add(kind, "has no value: give one, or remove the key")
    else:
        near = hint(kind.text, KINDS) if kind.text else ""
        problems.add(kind, f"there is no such kind: one of {known}{near}")


# -- routes


def _routes(
    section: Node, profiles: Mapping[str, Node], defaults: Node, around: Surroundings, problems: Problems
) -> dict[str, DraftRoute]:
    found: dict[str, DraftRoute] = {}
    part = Section(name="routes", also=frozenset({"use"}), home=_elsewhere)
    for path, own in section.mapping.items():
        if not own.is_mapping:
            problems.add(own, "expected a mapping, for example { from: logs }")
            continue
        node = merge(defaults, with_profiles(own, profiles, problems))
        keys = validate(RouteKeys, node, around, problems, part)
        found[path] = DraftRoute(node, own, _with_path(keys or RouteKeys(), path))
    return found


def _with_path(keys: RouteKeys, path: str) -> RouteSpec:
    values = {name: getattr(keys, name) for name in RouteKeys.model_fields}
    return RouteSpec.model_construct(keys.model_fields_set | {"path"}, path=path, **values)


# -- where a key belongs that stands in the wrong place


def _home(key: str) -> str | None:
    found = _elsewhere(key)
    return f"unknown key; it belongs {found}" if found else None


def _elsewhere(key: str) -> str | None:
    """Say where a key belongs that is unknown where it stands; None if it is known nowhere."""
    homes: dict[str, frozenset[str]] = {
        "under `server`": keys_of(Server),
        "under `limits`": keys_of(Limits),
        "under `defaults`, or to a route": keys_of(Policy),
        "to a route": keys_of(RouteKeys) | {"use"},
        "to a source": COMMON | WRAPPING,
    }
    if home := next((home for home, keys in homes.items() if key in keys), None):
        return home
    kinds = [f"`{kind}`" for kind, model in KINDS.items() if key in keys_of(model)]
    return f"to a source of kind {' or '.join(filter(None, (', '.join(kinds[:-1]), kinds[-1])))}" if kinds else None
