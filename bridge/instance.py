"""Tell this process from every other: a loop through proxies ends where its own name comes back (RFC 9110, 7.6.3)."""

import secrets
from typing import Final

#: Of this process alone; it says nothing about the machine.
ID: Final = secrets.token_hex(4)

#: Our entry in `Via`, on every request that we make or pass on.
VIA: Final = f"1.1 sse-bridge-{ID}"
