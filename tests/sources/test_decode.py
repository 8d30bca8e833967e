"""What the bytes of a broker's message are."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bridge.sources.decode import BINARY, JSON, Decode, Decoded, decoded

PNG = b"\x89PNG\r\n\x1a\n\0"


def binary(payload: bytes, content_type: str = BINARY) -> Decoded:
    """Return what bytes that are no text become."""
    return Decoded(base64.b64encode(payload).decode(), content_type, is_base64=True)


@pytest.mark.parametrize("payload", [b"", b"21.5", "20 °C".encode(), b'{"a": 1}', b"{", b"a\0b"])
def test_auto_takes_utf_8_for_text(payload: bytes) -> None:
    """A device that sends a number sends text, and what looks like JSON is left to whoever reads it."""
    assert decoded(payload, "", "auto") == Decoded(payload, "")


@pytest.mark.parametrize("payload", [PNG, b"\xff", "é".encode("latin-1"), "é".encode()[:1], b"\xed\xa0\x80"])
def test_m19_auto_takes_other_bytes_for_binary(payload: bytes) -> None:
    """Latin-1, a cut character, half a surrogate and a picture are no UTF-8."""
    assert decoded(payload, "", "auto") == binary(payload)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "TEXT/HTML; charset=utf-8",
        "application/json",
        " application/json ;x=y",
        "application/cloudevents+json",
        "application/problem+xml",
        "application/yaml",
        "application/x-ndjson",
    ],
)
def test_auto_believes_a_content_type_that_says_text(content_type: str) -> None:
    """As long as the bytes are; a producer may say anything."""
    assert decoded(b"{}", content_type, "auto") == Decoded(b"{}", content_type)
    assert decoded(PNG, content_type, "auto") == binary(PNG, content_type)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "application/cbor", "json", ";"])
def test_auto_believes_a_content_type_that_says_binary(content_type: str) -> None:
    """Also of bytes that might be text: whoever reads them goes by the type."""
    assert decoded(b"abc", content_type, "auto") == binary(b"abc", content_type)


@pytest.mark.parametrize("payload", [b"{}", b"[1, 2]", b"7", b' "a" ', b"null", b'{"a": {"b": [1.5e3]}}'])
def test_json_passes_as_it_came(payload: bytes) -> None:
    """Every sign of it; the content type is told where the producer did not."""
    assert decoded(payload, "", "json") == Decoded(payload, JSON)
    assert decoded(payload, "application/geo+json", "json") == Decoded(payload, "application/geo+json")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"NaN",
        b"Infinity",
        b"01",
        b"'a'",
        b'{"a": 1,}',
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 100_000 + b"]" * 100_000,
        PNG,
    ],
)
def test_k18_what_is_no_json_is_told(payload: bytes) -> None:
    """A browser could not parse it either."""
    assert decoded(payload, "", "json") is None


@pytest.mark.parametrize("payload", [b"", b"abc", PNG])
def test_text_and_bytes_take_anything(payload: bytes) -> None:
    """Whoever declares it knows; the content type goes with it."""
    assert decoded(payload, "image/png", "text") == Decoded(payload, "image/png")
    assert decoded(payload, "", "bytes") == binary(payload)
    assert decoded(payload, "text/plain", "bytes") == binary(payload, "text/plain")


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), st.lists, max_leaves=20))
def test_json_of_any_value_is_json(value: Any) -> None:
    """As other programs write it, with escapes."""
    payload = json.dumps(value).encode()
    said = decoded(payload, "", "json")
    assert said == (None if _has_surrogate(value) else Decoded(payload, JSON))


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_surrogate, value))
    return isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value)


@given(
    st.binary(), st.sampled_from(["", "text/plain", "image/png"]), st.sampled_from(["auto", "json", "text", "bytes"])
)
def test_nothing_that_is_not_text_passes_as_text(payload: bytes, content_type: str, decode: Decode) -> None:
    """Only where `text` is declared, which mends it later; base64 gives the bytes back."""
    said = decoded(payload, content_type, decode)
    if said is None:
        assert decode == "json"
    elif said.is_base64:
        assert base64.b64decode(said.payload) == payload
    else:
        assert said.payload == payload
        assert decode == "text" or payload.decode().encode() == payload
