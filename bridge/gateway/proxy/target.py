"""Say where one application is, and how it is asked: the configuration's part of the proxy."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One application."""

    #: The path that it answers for, without a slash at its end; "" for all.
    prefix: str = ""
    #: Cut the prefix off before the path goes on.
    strips: bool = False
    host: str = "localhost"
    port: int = 80
    #: A Unix socket, instead of host and port.
    socket: Path | None = None
    #: Makes what a connection over TLS is made with; it reads files. None without TLS.
    tls: Callable[[], ssl.SSLContext] | None = None
    #: Says why an address that the host resolved to is not connected to; None where it may be.
    refusal: Callable[[str], str | None] | None = None
    #: Hand on the client's `Host`; else ours for the application.
    keeps_host: bool = True
    #: Seconds until a connection stands.
    connect: float = 5.0
    #: Seconds until the answer begins, and between two pieces of it.
    timeout: float = 60.0
    #: Seconds of silence after which a comment goes into an event stream; None for never.
    heartbeat: float | None = None
    #: Connections at a time; None for as many as there may be requests.
    connections: int | None = None
    #: What is asked for whether it is well; None where readiness does not depend on it.
    health: str | None = None

    @property
    def name(self) -> str:
        """Return what this application is called in answers: its role, no address of the inside."""
        return f"the application at {self.prefix}" if self.prefix else "the application"

    @property
    def authority(self) -> str:
        """Return its own name, as a `Host` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.tls is not None else 80
        return host if self.port == usual else f"{host}:{self.port}"
