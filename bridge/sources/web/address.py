"""Where a polled page or a stream is: `https://api.example.com/rates/{currency}?lang={lang}`.

Rule 1: names stand in the path and in values of the query alone. A name in the scheme, the host or the port would let
    a visitor choose whom the bridge asks.
Rule 2: a value is percent-encoded for its place, slashes too, so that it ends neither its segment nor its parameter
    (RFC 3986, section 2.1).
Rule 3: no part of a path becomes `.` or `..`, whatever the values are and however often a server decodes them.
Rule 4: what is written is sent as it is written; only what an address cannot hold is percent-encoded.

No message repeats a part of an address or a value: either may hold a secret.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

from bridge.errors import TemplateError
from bridge.template import MAX_NAMES, Template

#: Schemes, and the port that each means where none is given.
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}

EXAMPLE: Final = "for example https://api.example.com/rates/{currency}"

#: Characters of an address: servers and proxies stop at 8 KiB for the whole first line of a request.
MAX_URL: Final = 4_096

#: What an address holds as it is: reserved and unreserved signs of RFC 3986, and `%` of what is encoded already.
_WRITTEN: Final = "!$&'()*+,;=:@/?%-._~"

#: RFC 1123, section 2.1, and the underscore that names in containers have; an optional dot at the end.
_HOST: Final = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
                          r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?", re.ASCII)  # fmt: skip

#: A last label that makes a client take a host for a number (WHATWG URL, section 3.5): 127.1, 0x7f.1, 2130706433.
_NUMERIC: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*", re.ASCII)

#: What stands in no address: C0 controls, DEL, and half a surrogate pair, which is no text.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

#: Parameters that carry secrets, as they are commonly called; compared without case, `-` and `_`.
_SECRETS: Final = frozenset({
    "token", "accesstoken", "authtoken", "idtoken", "refreshtoken", "key", "apikey", "accesskey", "secretkey",
    "subscriptionkey", "appkey", "xapikey", "secret", "clientsecret", "password", "passwd", "pwd", "pass", "auth",
    "authorization", "credential", "credentials", "signature", "sig", "jwt", "bearer", "session", "sessionid",
})  # fmt: skip


class Part(NamedTuple):
    """One parameter of a query, as written, and its value as a template."""

    name: str
    value: Template | None


class Address(NamedTuple):
    """An address with names, taken apart."""

    scheme: str
    #: In lower case; an IPv6 address without its brackets.
    host: str
    port: int
    path: Template
    query: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address; raises `ValueError` with words that repeat nothing of it."""
        parts = _split(text)
        if "@" in parts.netloc:
            raise ValueError("a user or a password in an address ends up in logs: use `basic` or `bearer`")
        if "{" in parts.scheme or "{" in parts.netloc or "}" in parts.netloc:
            raise ValueError("a name stands in the path or in a value of the query, never in the host or the port")
        if parts.scheme not in PORTS:
            raise ValueError(f"expected an address that begins with http:// or https://, {EXAMPLE}")
        if "#" in text:
            raise ValueError("a fragment (what stands after #) is not sent to a server: take it away")
        host, port = authority(parts)
        path, query = _path(parts.path), _query(parts.query)
        found = cls(parts.scheme, host, port, path, query)
        if len(found.names) > MAX_NAMES:
            raise ValueError(f"an address has at most {MAX_NAMES} names")
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names, each once, in their order."""
        inner = (part.value.names for part in self.query if part.value is not None)
        return tuple(dict.fromkeys([*self.path.names, *(name for names in inner for name in names)]))

    @property
    def where(self) -> str:
        """Return host and port as one says them: the port is left out where the scheme means it."""
        return place(self.scheme, self.host, self.port)

    @property
    def is_tls(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.scheme == "https"

    def fill(self, values: Mapping[str, str], more: Iterable[tuple[str, str]] = ()) -> str:
        """Return the address of these values, with `more` in its query; raises `ValueError` in words.

        What is returned may hold secrets: it is for the wire alone.
        """
        pairs = [part.name if part.value is None else f"{part.name}={_value(part.value, values)}"
                 for part in self.query]  # fmt: skip
        pairs += [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in more]
        query = f"?{'&'.join(pairs)}" if pairs else ""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}{self.shown(values)}{query}"

    def shown(self, values: Mapping[str, str]) -> str:
        """Return the path of these values, without the query; raises `ValueError` in words."""
        path = self.path.fill({name: _encoded(values[name]) for name in self.path.names})
        for name in self.path.names:
            if not values[name]:
                raise ValueError(f"an empty {name} cannot stand in the path of an address")
            if _has_dots(values[name].replace("\\", "/")):
                raise ValueError(f"a {name} with . or .. as a part would lead to another path")
        if _has_dots(path):
            raise ValueError("these values would lead to another path")
        return path


def place(scheme: str, host: str, port: int) -> str:
    """Return host and port as one says them."""
    return bracketed(host) if PORTS.get(scheme) == port else f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Return a host as an address has it."""
    return f"[{host}]" if ":" in host else host


def authority(parts: SplitResult) -> tuple[str, int]:
    """Return host and port; raises `ValueError` in words."""
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"expected a host, and a port from 1 to 65535 where there is one, {EXAMPLE}") from None
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("expected a port from 1 to 65535 after the colon")
    if not host.isascii():
        raise ValueError("expected a host name in ASCII: write the others in their xn-- form (RFC 5890)")
    if fault := host_fault(host, is_bracketed="[" in parts.netloc):
        raise ValueError(fault)
    return (str(IPv6Address(host)) if ":" in host else host), port or PORTS[parts.scheme]


def host_fault(host: str, *, is_bracketed: bool = False) -> str | None:
    """Return what is wrong with a host, in words that do not repeat it."""
    try:
        if is_bracketed or ":" in host:
            return None if IPv6Address(host).scope_id is None else "an address with a zone (%eth0) is link-local"
        if _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
            IPv4Address(host)
    except ValueError:
        return "expected an IP address in its usual form: four decimal numbers, or IPv6 in brackets"
    return None if _HOST.fullmatch(host) else f"expected a host of letters, digits, dots and hyphens, {EXAMPLE}"


def is_secret(name: str) -> bool:
    """Tell whether a parameter of this name carries a secret, by all that one knows of names."""
    return unquote(name).replace("-", "").replace("_", "").lower() in _SECRETS


def _split(text: str) -> SplitResult:
    if not text or len(text) > MAX_URL:
        raise ValueError(f"expected an address of at most {MAX_URL} characters, {EXAMPLE}")
    # Parsers differ in what they make of these; and none of them stands in an address (RFC 3986, section 2).
    if not text.isprintable() or any(sign.isspace() or sign in '\\"<>^`|' for sign in text):
        raise ValueError(f"expected an address without spaces, backslashes and quotes, {EXAMPLE}")
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError(f"expected an address, {EXAMPLE}") from None


def _path(text: str) -> Template:
    path = _template(text or "/", "the path")
    if path.is_literal and _has_dots(text):
        raise ValueError("expected a path without . and .. as its parts: write where it leads")
    return path


def _query(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    for pair in text.split("&") if text else ():
        name, equals, value = pair.partition("=")
        if "{" in name or "}" in name:
            raise ValueError("in a query a name stands in a value, after `=`: ?currency={currency}")
        template = _template(value, "the query") if equals else None
        if is_secret(name) and value and (template is None or template.is_literal):
            raise ValueError(
                "a secret in an address ends up in logs: write it as `query: { name: { file: … } }`, `bearer` or "
                "`headers`"
            )
        parts.append(Part(_sent(name), template))
    return tuple(parts)


def _template(text: str, where: str) -> Template:
    if "{{" in text or "}}" in text:
        raise ValueError("a brace that is no name's is written %7B or %7D in an address")
    try:
        return Template.parse(_sent(text), rest=False)
    except TemplateError as error:
        raise ValueError(f"in {where}: {error}") from None


def _sent(text: str) -> str:
    """Percent-encode what an address cannot hold; braces are left to the template."""
    return quote(text, safe=f"{_WRITTEN}{{}}")


def _value(template: Template, values: Mapping[str, str]) -> str:
    return template.fill({name: _encoded(values[name]) for name in template.names})


def _encoded(value: str) -> str:
    """Return a value for its place; raises `ValueError` for one that stands in no address."""
    if _CONTROL.search(value):
        raise ValueError("a value with control characters cannot stand in an address")
    return quote(value, safe="")


def _has_dots(path: str) -> bool:
    """Tell whether a part of a path is `.` or `..`, for a server that decodes it, once or again."""
    return any(_plain(part) in {".", ".."} for part in path.split("/"))


def _plain(part: str) -> str:
    for _ in range(3):
        part = unquote(part)
    return part
