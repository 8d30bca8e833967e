"""The shapes of values."""

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.config.types import Address, Host, Listen, Network, Origin, Rate


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080), True),
        ("127.9.9.9:1", Address("127.9.9.9", 1), True),
        ("localhost:0", Address("localhost", 0), True),
        ("[::1]:80", Address("::1", 80), True),
        (":8080", Address("", 8080), False),
        ("0.0.0.0:80", Address("0.0.0.0", 80), False),
        ("[::]:80", Address("::", 80), False),
        ("app.example.com:443", Address("app.example.com", 443), False),
    ],
)
def test_addresses(text: str, address: Address, is_loopback: bool) -> None:  # noqa: FBT001 -- a column of the table
    """An address is a host and a port; only loopback counts as this machine."""
    found: Address = TypeAdapter(Listen).validate_python(text)
    assert found == address
    assert found.is_loopback == is_loopback
    assert str(found) == text


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "::1:80", "a:70000", "a:b", "a b:1", "http://a:1", "", 0, None, "unix:/x"]
)
def test_what_is_no_address(text: object) -> None:
    """Anything else is refused, with examples."""
    with pytest.raises(ValidationError):
        TypeAdapter(Listen).validate_python(text)


@pytest.mark.parametrize("text", ["https://a.example", "http://localhost:5173", "http://[::1]:80", "*", "app://host"])
def test_origins(text: str) -> None:
    """An origin is what a browser sends, or all of them."""
    assert TypeAdapter(Origin).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["https://a.example/", "a.example", "null", "https://*.example", "https://a b", "https://a\n"]
)
def test_what_no_browser_sends_as_an_origin(text: str) -> None:
    """A slash at the end would never match, so it is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(Origin).validate_python(text)


@pytest.mark.parametrize(
    ("form", "text"), [(Network, "10.0.0.1/8"), (Network, 5), (Rate, "0/s"), (Rate, "5/m"), (Host, "a/b")]
)
def test_what_is_no_network_rate_or_host(form: object, text: object) -> None:
    """Each says what was expected."""
    with pytest.raises(ValidationError, match="expected"):
        TypeAdapter(form).validate_python(text)
