"""What the keys of a source say, made ready for its connections."""

from typing import NamedTuple

from bridge.sources.decode import Decode
from bridge.sources.mqtt.address import Address
from bridge.sources.mqtt.topics import Topics
from bridge.sources.tls import Tls


class Plan(NamedTuple):
    """One source."""

    #: The source's name in the file.
    name: str
    address: Address
    #: Where the connection is encrypted.
    tls: Tls | None
    is_five: bool
    #: As in the configuration; None where it is derived.
    client_id: str | None
    user: str | None
    password: str | None
    topics: Topics
    is_shared: bool
    qos: int
    decode: Decode
    #: Seconds.
    keepalive: int
    expiry: int
    inflight: int
    max: int

    @property
    def keeps(self) -> bool:
        """Tell whether the broker is to keep a session while we are away."""
        return self.expiry > 0 if self.is_five else self.client_id is not None
