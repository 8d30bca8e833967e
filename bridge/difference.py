"""What differs between two configurations: of each source and each route, what becomes of it. Pure.

A source is
    same      nothing of it differs
    kept      its run is the same, what is asked of it differs: `required`, for one
    rotated   but for secrets, and for what its certificates hold: it runs again, from where it stood
    changed   its keys differ, and the new run goes on from where the old one stood (`Source.follows`)
    reset     its keys differ, and what lies between the two runs is lost
    added, removed

A route is
    same      it, its sources, and all else that goes into its frames: nobody who listens notices
    back      removed not long ago, and put back as it was
    kept      its frames are the same, its manners differ: whoever comes back resumes from the same channels
    fresh     its frames differ: its channels begin anew
    added, removed
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from bridge.config.model import Config, RouteSpec, SourceSpec
from bridge.config.server import Limits, Server
from bridge.secret import masked
from bridge.sources.tls import Tls

Fate = Literal["same", "kept", "rotated", "changed", "reset", "added", "removed"]
Way = Literal["same", "back", "kept", "fresh", "added", "removed"]

#: Sources whose run before is as good as the one after it, for those who listen.
GOES_ON: Final = frozenset[Fate]({"same", "kept", "rotated"})

#: What of a route's keys goes into its frames, beside its sources.
_FRAMED: Final = ("path", "feeds", "bind", "event", "key", "ids", "format", "oversize", "gone")

#: Keys of `server` that name certificates.
_BEHIND: Final = ("upstream", "upstreams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What becomes of each part, by name and by path; keys of `server` and `limits` that differ."""

    sources: Mapping[str, Fate] = field(default_factory=dict[str, Fate])
    routes: Mapping[str, Way] = field(default_factory=dict[str, Way])
    server: Collection[str] = ()
    limits: Collection[str] = ()

    @property
    def is_none(self) -> bool:
        """Tell whether there is nothing to be done."""
        parts = {*self.sources.values(), *self.routes.values()}
        return parts <= {"same"} and not self.server and not self.limits

    def of(self, *fates: Fate) -> list[str]:
        """Return the names of the sources that have one of these fates."""
        return [name for name, fate in self.sources.items() if fate in fates]

    def told(self) -> dict[str, object]:
        """Return it as a document; what is the same is not in it."""
        sources = {"changed": self.of("kept", "changed", "reset"), **{fate: self.of(fate) for fate in _TOLD}}
        came, went = self._on("added", "back"), self._on("removed")
        routes = {"changed": self._on("kept", "fresh"), "added": came, "removed": went}
        return {
            "sources": {fate: names for fate, names in sources.items() if names},
            "routes": {way: paths for way, paths in routes.items() if paths},
            "server": sorted(self.server),
            "limits": sorted(self.limits),
        }

    def _on(self, *ways: Way) -> list[str]:
        return [path for path, way in self.routes.items() if way in ways]


_TOLD: Final[tuple[Fate, ...]] = ("rotated", "added", "removed")


def difference(
    before: Config, after: Config, former: Mapping[str, RouteSpec] | None = None, ended: Collection[str] = ()
) -> Difference:
    """Compare two configurations.

    `former` are routes that were removed not long ago, and come back as they were where `after` has them; `ended` are
    sources of which nothing more comes by themselves.
    """
    names = dict.fromkeys([*after.sources, *before.sources])
    fates = {name: _fate(name, before, after, name in ended) for name in names}
    known = {**(former or {}), **before.routes}
    ways = {path: _way(known.get(path), spec, before, after, fates) for path, spec in after.routes.items()}
    back: dict[str, Way] = {path: "back" for path, way in ways.items() if way == "same" and path not in before.routes}
    removed: dict[str, Way] = {path: "removed" for path in before.routes if path not in after.routes}
    return Difference(
        sources=fates,
        routes=ways | back | removed,
        server=_keys(Server, before.server, after.server) | _certificates(before, after),
        limits=_keys(Limits, before.limits, after.limits),
    )


def _fate(name: str, before: Config, after: Config, is_ended: bool) -> Fate:  # noqa: FBT001
    old, new = before.sources.get(name), after.sources.get(name)
    if new is None:
        return "removed"
    if old is None:
        return "added"
    if old.kind != new.kind:
        return "reset"
    if masked(old.source) != masked(new.source):
        return "changed" if new.source.follows(old.source) else "reset"
    if old.source == new.source and _held(old.source, before) == _held(new.source, after):
        return "same" if old == new else "kept"
    # With a new secret there may be more to come.
    return "changed" if is_ended else "rotated"


def _way(old: RouteSpec | None, new: RouteSpec, before: Config, after: Config, fates: Mapping[str, Fate]) -> Way:
    if old is None:
        return "added"
    if _framed(old, before) != _framed(new, after):
        return "fresh"
    given = {fates[feed.source] for feed in new.feeds}
    if given <= GOES_ON:
        return "same" if masked(old) == masked(new) else "kept"
    sources = [after.sources[feed.source].source for feed in new.feeds]
    is_positional = len(sources) == 1 and sources[0].is_log and new.ids != "sequence"
    if any(source.is_delta for source in sources) or (is_positional and "reset" in given):
        # A change is worth nothing without those before it, and a place in one log means nothing in another.
        return "fresh"
    if new.key is not None and given == {"reset"}:
        return "fresh"  # nobody would ever delete the keys of what is read no more
    return "kept"


def _framed(spec: RouteSpec, config: Config) -> tuple[object, ...]:
    """Return what a route's frames are made of."""
    own = [masked(getattr(spec, name)) for name in _FRAMED]
    return (*own, config.limits.event, *(_source(config.sources[feed.source]) for feed in spec.feeds))


def _source(spec: SourceSpec) -> tuple[object, ...]:
    source = spec.source
    rules = {name: masked(rule) for name, rule in source.rules().items()}
    return spec.kind, spec.bind, spec.capture, source.is_log, source.is_delta, source.is_private, rules


def _keys(model: type[BaseModel], before: BaseModel, after: BaseModel) -> set[str]:
    return {name for name in model.model_fields if getattr(before, name) != getattr(after, name)}


def _certificates(before: Config, after: Config) -> set[str]:
    """Name the keys of `server` whose certificates hold something else."""
    held = [{key: _held(getattr(each.server, key), each) for key in _BEHIND} for each in (before, after)]
    return {key for key in _BEHIND if held[0][key] != held[1][key]}


def _held(value: object, config: Config) -> list[str | None]:
    return [config.contents.get(path) for path in _files(value)]


def _files(value: object) -> Iterator[Path]:
    """Yield the files of certificates that something names."""
    if isinstance(value, Tls):
        yield from value.files
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _files(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _files(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _files(each)
