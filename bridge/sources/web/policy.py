"""Which addresses the bridge connects to: the rules against requests that were talked into it (SSRF).

Rule 1: addresses of this link alone, of clouds' metadata services, of groups and of nobody are connected to only when
    `allow` names them, or the host that leads there. They hand out credentials to whoever asks from within.
Rule 2: this machine and private networks are for the host and port that the operator wrote: an application beside us
    is the usual case. A redirect reaches them only where `allow` names its host or address.
Rule 3: an address inside an IPv6 transition range is judged as both: the one outside and the one within.

Pure: no name is resolved here. The rules apply where the socket is made, to the address that it will connect to, so a
name that resolves to something else by then changes nothing.
"""

from collections.abc import Iterator, Mapping, Set as AbstractSet
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Ip = IPv4Address | IPv6Address

#: Rule 1. The reserved ranges: RFC 1122 3.2.1.3, RFC 3927, RFC 4291 2.5.6, RFC 5771; then metadata services.
_NEVER: Final[Mapping[IPv4Network | IPv6Network, str]] = {
    IPv4Network("0.0.0.0/8"): "it means no host at all (is 127.0.0.1 meant?)",
    IPv6Network("::/128"): "it means no host at all (is ::1 meant?)",
    IPv4Network("169.254.0.0/16"): "it is link-local, where clouds keep their metadata services",
    IPv6Network("fe80::/10"): "it is link-local",
    IPv4Network("224.0.0.0/4"): "it is a multicast group",
    IPv6Network("ff00::/8"): "it is a multicast group",
    IPv4Network("255.255.255.255/32"): "it is the broadcast address",
    IPv6Network("fd00:ec2::/32"): "it is a metadata service of a cloud",
    IPv6Network("fd20:ce::/32"): "it is a metadata service of a cloud",
    IPv6Network("fd00:42::42/128"): "it is the metadata service of a cloud",
    IPv4Network("100.100.100.200/32"): "it is the metadata service of a cloud",
    IPv4Network("168.63.129.16/32"): "it is a service of a cloud for its machines",
    IPv4Network("192.0.0.192/32"): "it is the metadata service of a cloud",
}

#: Names by which clouds call their metadata services.
_METADATA: Final = frozenset({
    "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal",
})  # fmt: skip

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")

#: The upper half of an interface's identifier that carries an IPv4 address, within any prefix; the bit says whether
#: that one is unique.
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})

#: What ends a refusal by rule 1.
ADVICE: Final = "name it in `allow` if it is meant"


def fault(address: str, *, host: str, is_written: bool, allow: AbstractSet[str]) -> str | None:
    """Say why an address is not connected to, for a request to `host`; None when it may be.

    `is_written`: host and port are those that the operator wrote. `allow`: hosts and addresses, as `entry` makes them.
    """
    found = ip_address(address.partition("%")[0])
    if entry(host) in allow or str(found) in allow:
        return None
    inner = [found, *_within(found)]
    for each in inner:
        if why := _never(each):
            return f"{_told(found, host)} is not connected to: {why}; {ADVICE}"
    if is_written or all(_is_public(each) for each in inner if each not in _MAPPED):
        return None
    return f"{_told(found, host)} is not connected to: a redirect may lead to public addresses only; {ADVICE}"


def literal_fault(host: str, allow: AbstractSet[str]) -> str | None:
    """Say why a host that the operator wrote is refused before anything is resolved; None when it may be tried."""
    if entry(host) in allow:
        return None
    if host.rstrip(".").lower() in _METADATA:
        return f"the host is a metadata service of a cloud, which hands out credentials: {ADVICE}"
    try:
        return fault(host, host=host, is_written=True, allow=allow)
    except ValueError:
        return None


def proxied_fault(host: str, *, is_written: bool, allow: AbstractSet[str]) -> str | None:
    """Say why a proxy is not asked for a host, which only the proxy resolves; None when it may be."""
    try:
        return fault(host, host=host, is_written=is_written, allow=allow)
    except ValueError:
        pass
    if is_written or entry(host) in allow:
        return None
    return f"{host} is not asked for: where a redirect leads cannot be checked behind a proxy; {ADVICE}"


def entry(text: str) -> str:
    """Return a host or an address in the form in which two are compared."""
    plain = text.strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(plain))
    except ValueError:
        return plain


def _told(address: Ip, host: str) -> str:
    """Name an address, and the host where that is a name."""
    return str(address) if entry(host) == str(address) else f"{address}, which {host} resolves to,"


def _never(address: Ip) -> str | None:
    # An address is in no network of the other version.
    return next((why for network, why in _NEVER.items() if address in network), None)


def _is_public(address: Ip) -> bool:
    return address.is_global and not (isinstance(address, IPv6Address) and address.is_site_local)


def _within(address: Ip) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that a transition range carries (RFC 4291, 2765, 6052, 3056, 4380, 5214)."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if any(address in network for network in (_MAPPED, _COMPATIBLE, _TRANSLATED, _NAT64)) and number > 1:
        yield IPv4Address(number & 0xFFFFFFFF)
    elif address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    elif address in _TEREDO:
        yield IPv4Address(number >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~number & 0xFFFFFFFF)
    elif address in _NAT64_LOCAL:
        # Where the IPv4 address stands depends on the prefix's length (RFC 6052, 2.2): 48, or 96 as is usual.
        yield IPv4Address(number & 0xFFFFFFFF)
        yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    if number >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
