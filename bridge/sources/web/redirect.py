"""Where a redirect leads, and what it takes along.

Rule 1: 301 and 302 make a GET of a POST, 303 of everything but HEAD; 307 and 308 change nothing (RFC 9110, 15.4).
Rule 2: credentials are for the origin that the operator wrote: scheme, host and port. A redirect elsewhere drops them,
    and a redirect back does not return them: whoever sent us back is not who they are meant for.
Rule 3: only http and https; never from https to http; never a body to another origin.

No message repeats an address: a server may have put secrets in it.
"""

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from bridge.sources.web.address import MAX_URL, PORTS, authority, bracketed, place
from bridge.sources.web.trouble import WebError

#: Steps from the first address. Browsers go on to 20; an API has one or two.
MAX_REDIRECTS: Final = 5

STATUSES: Final = frozenset({301, 302, 303, 307, 308})

SEE_OTHER: Final = 303

#: What describes a body, and goes with it.
_OF_BODY: Final = frozenset({"content-type", "content-encoding", "content-language", "content-location"})

#: Headers that prove who asks, whoever set them.
CREDENTIALS: Final = frozenset({"authorization", "cookie", "cookie2", "proxy-authorization"})

#: What stands in no address, and what only an address for people has (RFC 3987).
_UNFIT: Final = re.compile(r'[\s\\"<>^`|{}\ud800-\udfff]')
_OTHERS: Final = re.compile(r"[^\x00-\x7f]+")

_PORTS_OF_HOST: Final = frozenset(PORTS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request of a chain."""

    url: str
    scheme: str
    host: str
    port: int
    method: str = "GET"
    body: bytes | None = None
    #: False from the first redirect to another origin on.
    is_own: bool = True
    #: Host and port are those that the operator wrote.
    is_written: bool = True
    #: A redirect has led here.
    is_led: bool = False

    @property
    def where(self) -> str:
        """Return host and port as one says them."""
        return place(self.scheme, self.host, self.port)

    @property
    def shown(self) -> str:
        """Return the address without its query."""
        return f"{self.scheme}://{self.where}{urlsplit(self.url).path}"

    @property
    def is_fleeting(self) -> bool:
        """Tell whether a redirect wrote the query: with the next one the same path may be another page."""
        return self.is_led and "?" in self.url

    def without(self) -> frozenset[str]:
        """Return the headers, in lower case, that do not go along."""
        dropped = CREDENTIALS if not self.is_own else frozenset[str]()
        return dropped if self.body is not None else dropped | _OF_BODY


def follow(hop: Hop, first: Hop, status: int, location: str) -> Hop:
    """Return the next request; raises `WebError` for one that is not made."""
    url, parts, host, port = _target(hop, location)
    is_same = (parts.scheme, host, port) == (hop.scheme, hop.host, hop.port)
    if hop.scheme == "https" and parts.scheme == "http":
        raise WebError(f"{hop.where} redirects from https to http, which is not followed: all on its way would see it")
    becomes_get = (status == SEE_OTHER and hop.method != "HEAD") or (status in {301, 302} and hop.method == "POST")
    method, body = ("GET", None) if becomes_get else (hop.method, hop.body)
    if body is not None and not is_same:
        raise WebError(f"{hop.where} redirects to another host, which does not get our body: write the address itself")
    return replace(
        hop,
        url=url,
        scheme=parts.scheme,
        host=host,
        port=port,
        method=method,
        body=body,
        is_own=hop.is_own and is_same,
        is_led=True,
        is_written=host == first.host and port in {first.port, *_PORTS_OF_HOST},
    )


def _target(hop: Hop, location: str) -> tuple[str, SplitResult, str, int]:
    """Return an address without its fragment and taken apart; raises `WebError`."""
    if not location or len(location) > MAX_URL or not location.isprintable() or _UNFIT.search(location):
        raise WebError(f"{hop.where} redirects to what is no address")
    # Some servers send what people read.
    location = _OTHERS.sub(lambda found: quote(found[0]), location)
    try:
        given, parts = urlsplit(location), urlsplit(urljoin(hop.url, location))
        if parts.scheme not in PORTS:
            raise WebError(f"{hop.where} redirects to what is neither http nor https")
        if not given.netloc and (given.scheme or location.startswith("//")):
            # `http:x`, `http:///x`: one parser sees a path on this host there, another the name of a host.
            raise WebError(f"{hop.where} redirects to what is no address")
        if "@" in parts.netloc:
            raise WebError(f"{hop.where} redirects to an address with a user in it")
        host, port = authority(parts)
    except ValueError:
        raise WebError(f"{hop.where} redirects to what is no address") from None
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{bracketed(host)}:{port}{parts.path or '/'}{query}", parts, host, port
