"""A certificate authority of the tests' own, with its certificates as files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Certificate(NamedTuple):
    """A certificate with its key, as files in PEM."""

    cert: Path
    key: Path
    #: Key and certificate in one file, as Java wants them.
    both: Path


class Authority:
    """What stands beneath one certificate authority."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.ca = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.ca)
        now = datetime.now(UTC)
        self.server = self.issue(f"{name}-server", "localhost", "127.0.0.1")
        self.elsewhere = self.issue(f"{name}-elsewhere", "elsewhere.example.org")
        self.client = self.issue(f"{name}-client", "bridge.example.org")
        self.expired = self.issue(
            f"{name}-expired", "127.0.0.1", not_before=now - timedelta(days=30), not_after=now - timedelta(days=1)
        )

    def issue(
        self, file: str, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> Certificate:
        """Issue a certificate for these names."""
        issued = self._ca.issue_cert(*names, common_name=names[0], not_before=not_before, not_after=not_after)
        # PKCS #8, which is the one form of a key that Java reads.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        cert_pem = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        made = Certificate(*(self._folder / f"{file}.{kind}.pem" for kind in ("cert", "key", "both")))
        made.cert.write_bytes(cert_pem)
        made.key.write_bytes(key_pem)
        made.both.write_bytes(key_pem + cert_pem)
        return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority that the tests' servers and clients trust."""
    return Authority(tmp_path_factory.mktemp("certificates"))
