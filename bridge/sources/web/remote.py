"""The keys made ready: what the client needs to know of the other side."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.secret import Secret
from bridge.sources.tls import Tls
from bridge.sources.web.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """A proxy that all requests go through."""

    host: str
    port: int
    #: The value of `Proxy-Authorization`, or None.
    credentials: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Whom a source asks, and how. Its representation holds no secret."""

    address: Address
    #: Sent to every host, a redirect's too.
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Sent to the origin that the operator wrote, and to no other: secrets, Authorization, Cookie.
    credentials: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    #: Parameters of the query, which may be secrets.
    query: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    tls: Tls = field(default_factory=Tls)
    proxy: Via | None = None
    #: Hosts and addresses that the rules of `policy` do not hold for, as `policy.entry` makes them.
    allow: frozenset[str] = frozenset()


def basic(username: str, password: Secret) -> Secret:
    """Return what proves a user by a password (RFC 7617)."""
    return Secret(f"Basic {b64encode(f'{username}:{password.reveal()}'.encode()).decode()}")
