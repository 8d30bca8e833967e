"""Each source against the document: its names, its constants, its folder, its token."""

import os
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bridge.config.draft import Draft, DraftSource
from bridge.config.model import SourceSpec
from bridge.config.names import Names, lacking, name_fault, path_fault
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.secret import Secret
from bridge.sources.base import Source
from bridge.sources.file import File
from bridge.sources.kafka import Kafka
from bridge.sources.mqtt import Mqtt
from bridge.sources.mqtt.address import Address
from bridge.sources.push import Push
from bridge.sources.web.keys import Web

#: SASL's ways that show the secret itself to whoever reads along (RFC 4616, RFC 7628). SCRAM shows none.
_BARE: Final = frozenset({"PLAIN", "OAUTHBEARER"})


def check_sources(draft: Draft, problems: Problems, notes: Problems) -> None:
    """Note what is wrong with the sources, and which of them nobody reads."""
    read = {feed.source for route in draft.routes.values() for feed in route.spec.feeds}
    for name, source in draft.sources.items():
        if source.spec is None:
            continue
        _check_names(source.spec, source.node, problems)
        check_bind(source.spec.bind, source.node, names_of(source), problems)
        _check_required(source.spec, source.node, problems)
        _check_root(source, problems)
        _check_push(draft, source, problems)
        _check_clear(source.spec.source, source.node, notes)
        if name not in read:
            notes.at_key(source.node, "no route takes this source in")


def names_of(source: DraftSource) -> Names | None:
    """Return the names of a source; None where they are not known."""
    return Names.of(source.spec) if source.spec is not None and not source.is_faulty else None


def check_bind(bind: dict[str, str], node: Node, names: Names | None, problems: Problems) -> None:
    """Note names that the source lacks, and values that are no constants."""
    given = (node.at("bind") or node).mapping
    for name, value in bind.items():
        place = given[name]
        if names is not None and name not in names.captures:
            problems.at_key(place, lacking(name, names.captures))
        if "{" in value or "}" in value:
            problems.add(place, "a name taken from a token or from elsewhere is not built yet: give a constant")
        elif not value:
            problems.add(place, "is empty, which no name ever is: give a value")


def _check_names(spec: SourceSpec, node: Node, problems: Problems) -> None:
    own = spec.source.names()
    for name in sorted(own):
        if fault := name_fault(name):
            problems.at_key(node, fault)
    given = (node.at("capture") or node).mapping
    for name, path in spec.capture.items():
        fault = name_fault(name)
        if name in own or name in spec.source.facts():
            fault = f"the source has a name `{name}` already: choose another"
        if fault:
            problems.at_key(given[name], fault)
        if fault := path_fault(path):
            problems.add(given[name], fault)


def _check_required(spec: SourceSpec, node: Node, problems: Problems) -> None:
    """Refuse to wait for what works only while somebody listens: nobody is sent to a bridge that is not ready."""
    if spec.required and spec.source.is_asked:
        way_out = " (`connect: always` reads it all the time)" if spec.kind == "sse" and not spec.source.names() else ""
        problems.add(
            node,
            "this source is read only while somebody listens, and nobody is sent here while `/-/ready` waits for it"
            f"{way_out}",
            "required",
        )


def _check_root(source: DraftSource, problems: Problems) -> None:
    if source.spec is None or not isinstance(source.spec.source, File):
        return
    file = source.spec.source
    if file.root is not None and (fault := root_fault(file.root)):
        problems.add(source.node, fault, "root")
    elif file.path is not None and (fault := file_fault(file.path)):
        problems.add(source.node, fault, "path")


def root_fault(root: Path) -> str | None:
    """Return what is wrong with a folder that a source is to read, or None.

    A folder that is missing is refused, although the application might make it later: why is told in
    `docs/why/missing-root.md`.
    """
    try:
        if root.is_symlink():
            return "this is a symbolic link: name the folder that it leads to"
        if not root.exists():
            return (
                "there is no such folder: make it first, or name one above it and put the rest into `match` "
                "(a relative path starts at this file's folder)"
            )
        if not root.is_dir():
            return "this is not a folder: name the folder here and the file in `match`"
        readable = os.access(root, os.R_OK | os.X_OK)
    except (OSError, ValueError):
        readable = False
    return None if readable else "this folder cannot be read: give the user of this process the right to"


def file_fault(path: Path) -> str | None:
    """Return what is wrong with one file that a source is to follow, or None; it need not be there yet."""
    try:
        if path.is_dir():
            return "this is a folder: write it as `root`, and which files in `match`"
        if not path.parent.is_dir():
            return "the folder of this file is not there: make it first (a relative path starts at this file's folder)"
    except (OSError, ValueError):
        return "this path cannot be looked at"
    return None


def _check_push(draft: Draft, source: DraftSource, problems: Problems) -> None:
    spec = source.spec
    if spec is None or draft.server.push != "public":
        return
    if isinstance(spec.source, Push) and not spec.source.is_guarded:
        problems.at_key(
            source.node,
            "with `server.push: public` everyone may push here: give it a `token`, { file: … } or { env: … }",
        )


def _check_clear(source: Source, node: Node, notes: Problems) -> None:
    """Note each secret that leaves this machine in clear text, at its key."""
    for keys, remedy in _clear(source):
        place = node.at(*keys)
        if place is not None:
            notes.at_key(place, f"travels in clear text, for all on its way to read: {remedy}")


def _clear(source: Source) -> Iterator[tuple[Sequence[str], str]]:
    """Yield the keys of such secrets, and what to do about each."""
    match source:
        case Mqtt(url=url, username=str()):
            address = Address.parse(url)
            if not address.is_tls and not _is_here(address.host):
                # Some brokers take a token for the user.
                key = "password" if source.password is not None else "username"
                yield (key,), f"let `url` begin with {'wss' if address.is_websocket else 'mqtts'}://"
        case Kafka():
            yield from _clear_kafka(source)
        case Web():
            yield from _clear_web(source)
        case _:
            pass


def _clear_kafka(source: Kafka) -> Iterator[tuple[Sequence[str], str]]:
    sasl, registry = source.sasl, source.registry
    is_here = all(_is_here(broker.rpartition(":")[0]) for broker in source.brokers)
    if sasl is not None and source.tls is None and sasl.mechanism in _BARE and not is_here:
        instead = ", or take SCRAM-SHA-512" if sasl.token is None else ""
        yield ("sasl", "password" if sasl.token is None else "token"), f"give the source `tls`{instead}"
    if registry is not None and registry.authorization():
        address = urlsplit(registry.url)
        if address.scheme == "http" and not _is_here(address.hostname or ""):
            key = "password" if registry.token is None else "token"
            yield ("registry", key), "let `registry.url` begin with https://"


def _clear_web(source: Web) -> Iterator[tuple[Sequence[str], str]]:
    address = urlsplit(source.url)
    if address.scheme != "http" or _is_here(address.hostname or ""):
        return
    https = "let `url` begin with https://"
    yield from [((key,), https) for key in ("basic", "bearer") if getattr(source, key) is not None]
    for key, values in (("headers", source.headers), ("query", source.query)):
        yield from [((key, name), https) for name, value in values.items() if isinstance(value, Secret)]


def _is_here(host: str) -> bool:
    """Tell whether what goes to a host stays on this machine."""
    host = host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True  # RFC 6761, section 6.3
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
