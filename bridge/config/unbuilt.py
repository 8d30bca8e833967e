"""What the language has and this version does not: refused as such, never accepted and ignored."""

from collections.abc import Mapping
from typing import Final

SERVER: Final = frozenset({"workers"})
ROUTE: Final = frozenset({"where", "data", "tests", "on_error", "params", "durable"})
SOURCE: Final = frozenset({"redact", "where", "data", "tests", "on_error"})
DOCUMENT: Final = frozenset({"engine"})

#: By the section's name in the file.
KEYS: Final[Mapping[str, frozenset[str]]] = {
    "": DOCUMENT,
    "server": SERVER,
    "defaults": ROUTE,
    "routes": ROUTE,
    "sources": SOURCE,
    "profiles": ROUTE | SOURCE,
}

#: Words, and keys of mappings of one key, that a built key does not take yet.
VALUES: Final[Mapping[str, frozenset[str]]] = {
    "slow": frozenset({"conflate", "sample"}),
    "auth": frozenset({"require", "issuers", "cookie"}),
}
