"""Who may ask: origins, host names, and the proxies that may speak for others.

Rule 1 (`docs/wire.md` 7): an origin on the list is echoed exactly, with `Vary: Origin`; every other, `null` included,
    gets nothing. `*` is sent as a literal to all, and never with credentials.
Rule 2: the Host header is checked against a list, since a page of another site can point a name of its own at our
    address (DNS rebinding, CVE-2025-66416) and then reads us as its own origin.
Rule 3: `X-Forwarded-*` counts only from configured hops, read from the right: what stands left of the first address
    that is no hop was written by a stranger.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import web

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: What a browser may send along. `EventSource` needs neither; a client made of `fetch` needs both.
ALLOWED_HEADERS: Final = "Last-Event-ID, Authorization"

#: Seconds for which a browser remembers a preflight; Chromium takes no more than two hours.
PREFLIGHT_AGE: Final = 7_200

#: Addresses looked at in `X-Forwarded-For`. A chain of more proxies than this is none.
MOST_HOPS: Final = 16

#: Names and addresses that are remembered as read: a server has few names, and its clients come in runs.
REMEMBERED: Final = 256

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{0,5})?", re.ASCII)
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*", re.ASCII)


def cors(allowed: Collection[str], origin: str | None) -> dict[str, str]:
    """Return the headers that let a page of `origin` read the answer; none if it may not."""
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*"}
    if not allowed:
        return {}
    # Vary stands on the answer to a stranger too: a cache must not hand it to a friend.
    headers = {"Vary": "Origin"}
    if origin is not None and origin != "null" and origin in allowed:
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
    return headers


def preflight(allowed: Mapping[str, str], methods: str) -> dict[str, str]:
    """Return the headers of the answer to OPTIONS, given those of `cors`."""
    headers = {"Allow": methods, **allowed}
    if "Access-Control-Allow-Origin" in allowed:
        headers |= {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_AGE),
        }
    return headers


def host(request: web.BaseRequest) -> str | None:
    """Return the name that the request was sent to, without port, lower case; None if it is malformed.

    In absolute form the target names it and the Host header counts for nothing (RFC 9112, 3.2.2). Where neither does,
    as HTTP/1.0 allows, it is the address that was connected to.
    """
    return host_name(request.host)


@lru_cache(REMEMBERED)
def host_name(text: str) -> str | None:
    """Return a host without its port, brackets and last dot; "" stays empty, None is malformed."""
    text = text.lower()
    if not text:
        return ""
    if (literal := _address(text)) is not None:
        return str(literal)
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    name = found[1].strip("[]").removesuffix(".")
    literal = _address(name)
    if found[1].startswith("[") and literal is None:
        return None
    return name if literal is None else str(literal)


class Hosts:
    """The names by which this server may be called; an empty list allows all, unless it `is_strict`.

    A strict one always allows what cannot be another site's name: `localhost`, loopback addresses, and the very address
    that was connected to.
    """

    def __init__(self, names: Iterable[str] = (), *, is_strict: bool = False) -> None:
        self._names = frozenset(filter(None, map(host_name, names)))
        self._is_strict = is_strict

    def allow(self, request: web.BaseRequest) -> bool:
        """Tell whether the request was sent to us by one of our names."""
        name = host(request)
        if not self._names and not self._is_strict:
            return True
        return name in self._names or (self._is_strict and _is_own(name or "", request))


def _is_own(name: str, request: web.BaseRequest) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    literal = _address(name)
    if literal is None:
        return False
    here = request.get_extra_info("sockname")
    return literal.is_loopback or (here is not None and literal == _address(here[0]))


def is_foreign(request: web.BaseRequest) -> bool:
    """Tell whether a page of another origin sent this: a form can POST to loopback without asking anyone."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin.partition("://")[2].lower() != request.headers.get("Host", "").lower()
    return request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Where a request came from, as far as our own hops vouch for it."""

    #: The client's address: the rightmost that is no hop.
    client: str
    scheme: str = "http"
    #: The path under which the outermost hop shows us, "" for none.
    prefix: str = ""


def forwarded(request: web.BaseRequest, hops: Sequence[Network]) -> Forwarded:
    """Read `X-Forwarded-*`, if the peer is a hop."""
    peer = _address(request.remote or "")
    if peer is None or not _is_hop(peer, hops):
        return Forwarded(_text(request.remote or ""))
    headers = request.headers
    scheme = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    # Each proxy that cuts a prefix off adds it behind those cut off before it came.
    prefix = "".join(part.strip().rstrip("/") for part in headers.get("X-Forwarded-Prefix", "").split(","))
    is_path = _PREFIX.fullmatch(prefix) is not None and ".." not in prefix
    return Forwarded(
        client=str(_client(peer, ",".join(headers.getall("X-Forwarded-For", ())), hops)),
        scheme="https" if scheme == "https" else "http",
        prefix=prefix if is_path else "",
    )


def _client(peer: Address, chain: str, hops: Sequence[Network]) -> Address:
    for text in reversed(chain.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        address = _address(host_name(text.strip()) or "")
        if address is None:
            # A word that is no address, `unknown` for one: whom it hides, the last hop answers for.
            return peer
        if not _is_hop(address, hops):
            return address
        peer = address
    return peer


def _is_hop(address: Address, hops: Sequence[Network]) -> bool:
    return any(address in network for network in hops)


@lru_cache(REMEMBERED)
def _address(text: str) -> Address | None:
    """Read an address; one that is IPv4 in IPv6's clothes is taken out of them."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(REMEMBERED)
def _text(remote: str) -> str:
    """Return an address as it is usually written, anything else as it is."""
    return str(_address(remote) or remote)
