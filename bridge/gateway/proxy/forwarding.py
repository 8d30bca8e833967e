"""What the application is told of the client: `X-Forwarded-*`, `Forwarded` (RFC 7239), `Via` (RFC 9110, 7.6.3).

Rule 1: the socket tells the truth. What a peer says of others counts only where the configuration names it as a hop;
    from all else those fields are dropped, and begin anew with the peer.
Rule 2: a hop's own fields are extended, not replaced: the application sees the whole chain.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from bridge.gateway.access import MOST_HOPS, Network
from bridge.instance import VIA

#: Our name in `Via`, without the version of HTTP.
PSEUDONYM: Final = VIA.partition(" ")[2]
_VIA: Final = VIA.encode()
_VIA_1_0: Final = f"1.0 {PSEUDONYM}".encode()

#: Peers whose address is remembered as text: proxies in front are few, clients come in runs.
_PEERS: Final = 1_024

#: What may stand within the quotes of `Forwarded`, as a host or as an address.
_QUOTABLE: Final = re.compile(r"[A-Za-z0-9.:_\[\]-]+", re.ASCII)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*", re.ASCII)

#: What a stranger says.
_NOTHING: Final[MultiMapping[str]] = CIMultiDict()


class Peer(NamedTuple):
    """Who is at the other end of the connection."""

    address: str
    #: It may speak for others.
    is_hop: bool


class Trust:
    """Tells which peers may speak for others."""

    def __init__(self, hops: Sequence[Network]) -> None:
        self._hops = tuple(hops)
        self.peer = lru_cache(_PEERS)(self._peer)

    def _peer(self, remote: str) -> Peer:
        try:
            address = ip_address(remote.partition("%")[0])
        except ValueError:
            return Peer("unknown", is_hop=False)
        address = getattr(address, "ipv4_mapped", None) or address
        return Peer(str(address), any(address in hop for hop in self._hops))


def is_loop(request: web.BaseRequest) -> bool:
    """Tell whether this request has been through this very process before."""
    fields = request.headers.getall("Via", ())
    return bool(fields) and any(PSEUDONYM in field for field in fields)


def lines(request: web.BaseRequest, host: str, peer: Peer, prefix: str) -> bytes:
    """Return the fields that tell of the client, as whole lines; `prefix` is what is cut off the path."""
    given = request.headers if peer.is_hop else _NOTHING
    chain = ", ".join(given.getall("X-Forwarded-For", ()))
    via = _VIA if request.version >= (1, 1) else _VIA_1_0
    vias = ", ".join(request.headers.getall("Via", ()))
    told = [
        ("X-Forwarded-For", f"{chain}, {peer.address}" if chain else peer.address),
        ("X-Forwarded-Host", given.get("X-Forwarded-Host") or host),
        ("X-Forwarded-Proto", given.get("X-Forwarded-Proto") or "http"),
        ("X-Forwarded-Prefix", given.get("X-Forwarded-Prefix", "").rstrip("/") + prefix),
        ("Forwarded", _forwarded(given, chain, peer.address, host)),
    ]
    fields = "".join(f"{name}: {value}\r\n" for name, value in told if value)
    before = f"Via: {vias}, " if vias else "Via: "
    return b"%b%b%b\r\n" % (_bytes(fields), _bytes(before), via)


def _forwarded(given: MultiMapping[str], chain: str, address: str, host: str) -> str:
    """Return `Forwarded` in agreement with the other fields: some applications read the one, some the others.

    What a hop has said of the name and the scheme that the client asked for stays the only word on it: of two that
    differ Spring takes the first and Rack the last, and ours, with which the hop asked us, is not the client's.
    """
    said = ", ".join(given.getall("Forwarded", ()))
    name, scheme = _first(given, "X-Forwarded-Host"), _first(given, "X-Forwarded-Proto")
    if not said and (chain or name or scheme):
        nodes = [_for(each.strip()) for each in chain.split(",")[-MOST_HOPS:]] if chain else []
        said = ", ".join([";".join([*nodes[:1], *_asked(name, scheme)]), *nodes[1:]])
    known = said.lower()
    ours = _asked("" if "host=" in known else host, "" if "proto=" in known else "http")
    element = ";".join([_for(address), *ours])
    return f"{said}, {element}" if said else element


def _first(given: MultiMapping[str], name: str) -> str:
    return given.get(name, "").partition(",")[0].strip()


def _asked(host: str, scheme: str) -> Iterator[str]:
    """Give what was asked for as it stands in an element."""
    if _QUOTABLE.fullmatch(host):
        yield f'host="{host}"'
    if _SCHEME.fullmatch(scheme):
        yield f"proto={scheme}"


def _for(address: str) -> str:
    if not _QUOTABLE.fullmatch(address):
        return "for=unknown"
    if ":" not in address:
        return f"for={address}"
    # One colon tells a port, two an address of IPv6; in brackets the address, in quotes the whole (RFC 7239, 6).
    is_bare = address.count(":") > 1 and not address.startswith("[")
    return f'for="[{address}]"' if is_bare else f'for="{address}"'


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
