"""Where a broker is: `mqtts://broker:8883`."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

#: Schemes, and the port that each means where none is given.
PORTS: Final[Mapping[str, int]] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}

#: Where brokers listen for WebSockets, by their own documents.
WEBSOCKET_PATH: Final = "/mqtt"

EXAMPLE: Final = "for example mqtt://broker:1883 or wss://broker/mqtt"


class Address(NamedTuple):
    """A broker's address, taken apart."""

    scheme: str
    host: str
    port: int
    #: Of a WebSocket; "" for the others.
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address; raises `ValueError` with words that repeat nothing of it."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError(f"expected a broker's address, {EXAMPLE}") from None
        if parts.scheme not in PORTS or not host or any(c.isspace() or not c.isprintable() for c in text):
            raise ValueError(f"expected a broker's address, {EXAMPLE}")
        if "@" in parts.netloc:
            raise ValueError("a user or a password in an address ends up in logs: use `username` and `password`")
        if parts.query or parts.fragment or port == 0:
            raise ValueError(f"expected a broker's address without a query, {EXAMPLE}")
        is_websocket = parts.scheme in ("ws", "wss")
        if not is_websocket and parts.path not in ("", "/"):
            raise ValueError("only a WebSocket's address has a path: the topics stand in `topics`")
        path = (WEBSOCKET_PATH if parts.path in ("", "/") else parts.path) if is_websocket else ""
        return cls(parts.scheme, host, port or PORTS[parts.scheme], path)

    @property
    def is_tls(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.scheme in ("mqtts", "wss")

    @property
    def is_websocket(self) -> bool:
        """Tell whether MQTT travels inside a WebSocket."""
        return self.scheme in ("ws", "wss")

    @property
    def authority(self) -> str:
        """Return host and port, as one writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address as an HTTP client takes it."""
        return f"{self.scheme}://{self.authority}{self.path}"
