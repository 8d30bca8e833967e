"""Headers that an operator writes: what may stand there (RFC 9110, section 5), and what is ours or the connection's."""

import re
from typing import Final

HOW: Final = "write { file: /run/secrets/name } or { env: NAME }"

#: Bytes of one value. Servers refuse more than 8 KiB for the whole head.
MAX_VALUE: Final = 4_096

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)

#: Of the connection and not of the request (RFC 9110, 7.6.1), of its framing, or written by the bridge.
_OURS: Final = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "host", "content-length", "content-encoding", "accept-encoding", "expect", "via",
})  # fmt: skip

#: Words that make a header's name that of a secret: a plain text is refused there.
_SECRET: Final = frozenset({
    "authorization", "auth", "cookie", "token", "authtoken", "secret", "password", "passwd", "apikey", "credential",
    "credentials", "jwt", "signature",
})  # fmt: skip

#: The same before or after the word `key`; an `Idempotency-Key` is none.
_KEYS: Final = frozenset({
    "api", "access", "app", "application", "account", "functions", "private", "subscription",
})  # fmt: skip


def fault(name: str, value: str, *, is_secret: bool) -> str | None:
    """Return what is wrong with a header, in words that do not repeat its value."""
    if not _TOKEN.fullmatch(name):
        return "expected the name of a header: letters, digits and hyphens, for example X-Api-Key"
    if name.lower() in _OURS:
        return f"{name} is of the connection, or written by the bridge: take it away"
    if not is_secret and carries_secret(name):
        return f"{name} carries a secret, which cannot stand here in plain text: {HOW}"
    if value != value.strip(" \t") or any(sign != "\t" and not sign.isprintable() for sign in value):
        return f"the value of {name} has a line break, a control character, or space around it"
    try:
        long = len(value.encode("latin-1")) > MAX_VALUE
    except UnicodeEncodeError:
        return f"the value of {name} has characters beyond Latin-1, which a header cannot hold"
    return f"the value of {name} has more than {MAX_VALUE} bytes" if long else None


def carries_secret(name: str) -> bool:
    """Tell whether a header of this name carries a secret."""
    words = name.lower().replace("_", "-").split("-")
    return not _SECRET.isdisjoint(words) or ("key" in words and not _KEYS.isdisjoint(words))


def is_token68(text: str) -> bool:
    """Tell whether a text is a token as `Authorization` carries it (RFC 9110, 11.2)."""
    return _TOKEN68.fullmatch(text) is not None
