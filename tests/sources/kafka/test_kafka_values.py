"""What values are."""

from typing import Any

import pytest

from bridge.errors import SourceError
from bridge.sources.decode import Decoded
from bridge.sources.kafka.decoder import Undecodable
from bridge.sources.kafka.values import Values
from tests.fake_kafka import Outlet, record


async def test_text_without_a_content_type_is_taken_as_it_is() -> None:
    """Other bytes are base64, and a content type decides over both."""
    read = await Values("auto", None).reading([])
    assert read(b"a", "") is None
    assert read("é".encode(), "") is None
    assert read(b"\xff", "") == Decoded("/w==", "application/octet-stream", is_base64=True)
    assert read(b"a", "image/png") == Decoded("YQ==", "image/png", is_base64=True)


async def test_json_is_json() -> None:
    """Or it is told why not, without the value."""
    read = await Values("json", None).reading([])
    assert read(b"1", "") == Decoded(b"1", "application/json")
    assert read(b"}secret", "") == Undecodable("the value is no JSON")


class Avro:
    """Decodes as a test says, and is told who waits."""

    def __init__(self) -> None:
        self.outlets: list[Any] = []

    async def decode(self, values: list[bytes]) -> list[Decoded | Undecodable]:
        """Fail."""
        raise SourceError("the registry is down")

    async def decode_patiently(self, values: list[bytes], *told: Any) -> list[Decoded | Undecodable]:
        """Decode all but one."""
        self.outlets.append(told)
        return [Undecodable("no schema") if value == b"bad" else Decoded(value, "application/json") for value in values]


async def test_avro_is_decoded_for_all_records_at_once(outlet: Outlet) -> None:
    """Null values are not asked for; a live source waits, a read-back fails."""
    values = Values("avro", None)
    avro = values._avro = Avro()  # type: ignore[assignment]
    records = [record("orders", 0, at, value=value) for at, value in enumerate([b"1", None, b"bad", b"2"])]
    read = await values.reading(records, outlet)
    assert [read(b"", "") for _ in range(3)] == [
        Decoded(b"1", "application/json"),
        Undecodable("no schema"),
        Decoded(b"2", "application/json"),
    ]
    assert avro.outlets == [(outlet.down, outlet.up)]
    with pytest.raises(SourceError, match="registry"):
        await values.reading(records)
