"""Under which client id a source connects. `docs/why/mqtt-sessions.md` has the reasons."""

import hashlib
import re
import secrets
import socket
from pathlib import Path
from typing import Final, NamedTuple

#: In the source's own folder beneath `server.state`.
NAME: Final = "client-id"

#: Signs of what is kept there: 64 bits as text.
_TOKEN: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)

#: Signs of the source's name in an id. Brokers in the cloud take 128 in all.
MAX_NAME: Final = 40


class ClientId(NamedTuple):
    """The name under which the broker knows us."""

    text: str
    #: Nobody will ever come back under it, so a session must not wait for us.
    is_fleeting: bool = False


def token(state: Path | None, host: str, source: str) -> str:
    """Return what makes this source different from those of replicas, and is the same after a restart.

    It reads a file, and writes one where there is none.
    """
    made_of = hashlib.blake2b(f"{host}/{source}".encode(), digest_size=8).hexdigest()
    if state is None:
        return made_of
    path = state / NAME
    try:
        found = path.read_text("ascii", "replace")[:64].strip()
    except OSError:
        found = ""
    if _TOKEN.fullmatch(found):
        return found
    made = secrets.token_hex(8)
    temporary = path.with_suffix(".new")
    try:
        temporary.write_text(made + "\n", "ascii")
        temporary.replace(path)
    except OSError:
        # A disk that is full costs what waits at the broker at the next start, nothing more.
        return made_of
    return made


def derived(source: str, token: str, suffix: str = "") -> str:
    """Return a client id for a source whose configuration names none."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", source)[:MAX_NAME]
    return "-".join(filter(None, ("sse-bridge", name, token, suffix)))


def fresh() -> str:
    """Return a suffix that no other client has."""
    return secrets.token_hex(4)


def host() -> str:
    """Return the name of the host, in a cluster that of the pod."""
    return socket.gethostname()
