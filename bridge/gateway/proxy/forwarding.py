"""What the application is told of the client: `X-Forwarded-*`, `Forwarded` (RFC 7239), `Via` (RFC 9110, 7.6.3).

Rule 1: the socket tells the truth. What a peer says of others counts only where the configuration names it as a hop;
    from all else those fields are dropped, and begin anew with the peer.
Rule 2: a hop's own fields are extended, not replaced: the application sees the whole chain.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

from aiohttp import web

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
    given = request.headers if peer.is_hop else {}
    chain = ", ".join(request.headers.getall("X-Forwarded-For", ())) if peer.is_hop else ""
    element = _element(peer.address, host)
    elements = ", ".join(request.headers.getall("Forwarded", ())) if peer.is_hop else ""
    if not elements and chain:
        # An application that reads this one alone must not take our hop for the client.
        elements = ", ".join(_for(each.strip()) for each in chain.split(",")[-MOST_HOPS:])
    via = _VIA if request.version >= (1, 1) else _VIA_1_0
    vias = ", ".join(request.headers.getall("Via", ()))
    told = [
        ("X-Forwarded-For", f"{chain}, {peer.address}" if chain else peer.address),
        ("X-Forwarded-Host", given.get("X-Forwarded-Host") or host),
        ("X-Forwarded-Proto", given.get("X-Forwarded-Proto") or "http"),
        ("X-Forwarded-Prefix", given.get("X-Forwarded-Prefix", "").rstrip("/") + prefix),
        ("Forwarded", f"{elements}, {element}" if elements else element),
    ]
    fields = "".join(f"{name}: {value}\r\n" for name, value in told if value)
    before = f"Via: {vias}, " if vias else "Via: "
    return b"%b%b%b\r\n" % (_bytes(fields), _bytes(before), via)


def _element(address: str, host: str) -> str:
    named = f';host="{host}"' if _QUOTABLE.fullmatch(host) else ""
    return f"{_for(address)}{named};proto=http"


def _for(address: str) -> str:
    if not _QUOTABLE.fullmatch(address):
        return "for=unknown"
    return f'for="[{address}]"' if ":" in address and not address.startswith("[") else f"for={address}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
