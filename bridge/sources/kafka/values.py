"""What the values of records are: text, JSON or bytes by themselves; Avro by a registry that is asked."""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from bridge.errors import SourceError
from bridge.sources.base import Outlet
from bridge.sources.decode import Decode, Decoded, decoded
from bridge.sources.kafka.decoder import Decoder, Undecodable
from bridge.sources.kafka.registry import Registry

_NO_JSON: Final = Undecodable("the value is no JSON")


class Record(Protocol):
    """A record of which the value alone matters."""

    value: bytes | None


class ReadValue(Protocol):
    """Tells what the values of some records are, called once for each in their order, but for null ones."""

    def __call__(self, value: bytes, content_type: str, /) -> Decoded | Undecodable | None:
        """Return it, or why it is not what `decode` says; None where it goes as it is, as most do."""


class Values:
    """How one source's values are read."""

    def __init__(self, decode: Literal[Decode, "avro"], registry: Registry | None) -> None:
        self._decode = decode
        self._avro = Decoder(registry) if registry is not None else None

    async def reading(self, records: Sequence[Record], outlet: Outlet | None = None) -> ReadValue:
        """Return what reads the values of these records.

        While a schema cannot be had it waits, and tells the outlet why nothing comes; without an outlet it raises
        `SourceError`.
        """
        if self._avro is None:
            return _auto if self._decode == "auto" else self._plain
        values = [record.value for record in records if record.value is not None]
        if outlet is None:
            known = await self._avro.decode(values)
        else:
            known = await self._avro.decode_patiently(values, outlet.down, outlet.up)
        left = iter(known)

        def next_one(_value: bytes, _content_type: str, /) -> Decoded | Undecodable:
            return next(left) or _NO_JSON

        return next_one

    def _plain(self, value: bytes, content_type: str, /) -> Decoded | Undecodable:
        if self._decode == "avro":
            raise SourceError("`decode: avro` needs a `registry`")
        return decoded(value, content_type, self._decode) or _NO_JSON


def _auto(value: bytes, content_type: str, /) -> Decoded | Undecodable | None:
    """Read text without a content type, as most are, at once."""
    if not content_type:
        if value.isascii():
            return None  # as nearly all are; 30 ns less than to decode them
        try:
            value.decode()
        except UnicodeDecodeError:
            pass
        else:
            return None
    return decoded(value, content_type, "auto") or _NO_JSON
