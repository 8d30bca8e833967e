"""TLS contexts made anew."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest

from bridge.sources.tls import Tls
from bridge.sources.web.trouble import WebError
from bridge.sources.web.trust import MAX_AGE, NEW, Trust
from tests.certificates import Authority


class Clock:
    """A clock that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def tls(**files: Path) -> Tls:
    """Return the model of what a YAML says."""
    return Tls.model_validate({key: str(path) for key, path in files.items()})


async def test_a_context_is_made_once_for_some_minutes() -> None:
    """For requests at the same time too."""
    clock = Clock()
    trust = Trust(Tls(), clock)
    first, second = await asyncio.gather(trust.context(is_own=True), trust.context(is_own=True))
    assert first is second
    clock.now += MAX_AGE - 1
    assert await trust.context(is_own=True) is first
    clock.now += 1
    assert await trust.context(is_own=True) is not first


async def test_a_failure_makes_the_next_one_anew_unless_it_is_new() -> None:
    """A hundred addresses that fail at once read the files once."""
    clock = Clock()
    trust = Trust(Tls(), clock)
    first = await trust.context(is_own=True)
    trust.doubt()
    assert await trust.context(is_own=True) is first
    clock.now += NEW
    trust.doubt()
    assert await trust.context(is_own=True) is not first


async def test_others_are_not_shown_our_certificate(authority: Authority) -> None:
    """They are trusted, or not, by the same authorities."""
    trust = Trust(tls(ca=authority.ca, cert=authority.client.cert, key=authority.client.key))
    own, other = await trust.context(is_own=True), await trust.context(is_own=False)
    assert own is not other
    assert own.get_ca_certs() == other.get_ca_certs()
    assert all(each.verify_mode == ssl.CERT_REQUIRED and each.check_hostname for each in (own, other))


async def test_a_file_that_has_gone_is_told(authority: Authority, tmp_path: Path) -> None:
    """And is read again with the next request."""
    ca = tmp_path / "ca.pem"
    shutil.copy(authority.ca, ca)
    trust = Trust(tls(ca=ca))
    ca.unlink()
    with pytest.raises(WebError, match="expected a PEM file"):
        await trust.context(is_own=True)
    shutil.copy(authority.ca, ca)
    assert await trust.context(is_own=True)
