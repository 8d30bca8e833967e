"""Which addresses are connected to."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, strategies as st

from bridge.sources.web.policy import entry, fault, literal_fault, proxied_fault

NOBODY = frozenset[str]()

NEVER = [
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "fe80::1", "febf::1", "fe80::a9fe:a9fe", "fd00:ec2::254",
    "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "239.1.2.3",
    "ff02::1", "ff0e::1", "0.0.0.0", "0.1.2.3", "::", "255.255.255.255",
    # The same within what carries IPv4.
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1", "2001:0:808:808:0:0:5601:5601", "::169.254.169.254", "::ffff:0.0.0.0",
    "fd00:42::42", "::ffff:0:a9fe:a9fe", "2a00:1450::5efe:a9fe:a9fe", "2a00:1450::200:5efe:a9fe:a9fe",
    "::ffff:224.0.0.1", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::",
]  # fmt: skip
OURS = [
    "127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fd00::1", "fc00::1",
    "100.64.0.1", "198.18.0.1", "192.0.2.1", "240.0.0.1", "fec0::1", "2001:db8::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::1", "2002:a00:1::1", "::127.0.0.1",
    "::ffff:0:7f00:1", "2a00:1450::5efe:a00:1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "169.253.1.1", "100.63.0.1", "100.128.0.1",
    "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_connected_to(address: str) -> None:
    """Whoever wrote them, and whatever name led there."""
    for is_written in (True, False):
        told = fault(address, host="app.test", is_written=is_written, allow=NOBODY)
        assert told is not None
        assert "which app.test resolves to" in told
        assert told.endswith("name it in `allow` if it is meant")


@pytest.mark.parametrize("address", OURS)
def test_our_own_machines_are_for_what_the_operator_wrote(address: str) -> None:
    """A redirect does not lead there."""
    assert fault(address, host=address, is_written=True, allow=NOBODY) is None
    assert fault(address, host=address, is_written=False, allow=NOBODY) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_for_all(address: str) -> None:
    """A redirect too."""
    for is_written in (True, False):
        assert fault(address, host="app.test", is_written=is_written, allow=NOBODY) is None


@pytest.mark.parametrize("address", NEVER + OURS)
def test_what_is_allowed_by_name_or_address_is_connected_to(address: str) -> None:
    """In whatever form it was written."""
    for allowed in (address, address.upper(), f"[{address}]", "App.test."):
        allow = frozenset({entry(allowed)})
        assert fault(address, host="app.TEST", is_written=False, allow=allow) is None
    for allowed in ("9.9.9.9", "pp.test", "test", "x.app.test"):
        assert fault(address, host="app.test", is_written=False, allow=frozenset({allowed})) is not None


def test_an_address_with_a_zone_is_judged_without_it() -> None:
    """A zone is of this machine alone."""
    assert fault("fe80::1%eth0", host="x", is_written=True, allow=NOBODY) is not None


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "metadata.goog", "METADATA.google.internal."])
def test_what_is_never_connected_to_is_refused_as_it_is_written(host: str) -> None:
    """Before anything is resolved."""
    assert literal_fault(host, NOBODY) is not None
    assert literal_fault(host, frozenset({entry(host)})) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "localhost", "app", "metadata.example.com", "::1"])
def test_other_hosts_may_be_written(host: str) -> None:
    """An application beside us is the usual case."""
    assert literal_fault(host, NOBODY) is None


def test_behind_a_proxy_a_redirect_leads_to_what_is_allowed_by_name_alone() -> None:
    """Only the proxy knows what a name resolves to."""
    assert proxied_fault("app.test", is_written=True, allow=NOBODY) is None
    assert proxied_fault("app.test", is_written=False, allow=NOBODY) is not None
    assert proxied_fault("app.test", is_written=False, allow=frozenset({"app.test"})) is None
    assert proxied_fault("8.8.8.8", is_written=False, allow=NOBODY) is None
    assert proxied_fault("10.0.0.1", is_written=False, allow=NOBODY) is not None
    assert proxied_fault("169.254.169.254", is_written=True, allow=NOBODY) is not None


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_in_all_its_forms(number: int) -> None:
    """What is refused as it is, is refused within IPv6."""
    plain = IPv4Address(number)
    forms = [
        IPv6Address(number + (0xFFFF << 32)),
        IPv6Address(number + (0x64FF9B << 96)),
        IPv6Address((0x2002 << 112) + (number << 80)),
        IPv6Address((0x20010000 << 96) + (0x08080808 << 64) + (number ^ 0xFFFFFFFF)),
    ]
    for is_written in (True, False):
        if fault(str(plain), host="x", is_written=is_written, allow=NOBODY) is not None:
            assert all(fault(str(form), host="x", is_written=is_written, allow=NOBODY) is not None for form in forms)


@given(st.ip_addresses())
def test_every_address_has_an_answer(address: IPv4Address | IPv6Address) -> None:
    """A refusal of what was written is one of a redirect too."""
    written = fault(str(address), host="x", is_written=True, allow=NOBODY)
    led = fault(str(address), host="x", is_written=False, allow=NOBODY)
    assert written is None or led is not None
