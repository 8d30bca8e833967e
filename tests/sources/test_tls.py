"""Whom a client trusts, how it proves itself, and what is refused before it tries."""

import os
import shutil
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from bridge.errors import SourceError
from bridge.sources.tls import MAX_PEM, Tls
from tests.certificates import Authority, Certificate

PASSWORD = "correct-horse"


def made(folder: Path = Path(), **keys: object) -> Tls:
    """Return the model of what a YAML says."""
    given = {key: str(value) if isinstance(value, Path) else value for key, value in keys.items()}
    return Tls.model_validate(given, context={"folder": folder, "environ": {"KEY": PASSWORD, "WRONG": "x" * 2_000}})


def refusal(folder: Path = Path(), **keys: object) -> str:
    """Return why a YAML is refused."""
    with pytest.raises(ValidationError) as caught:
        made(folder, **keys)
    [error] = caught.value.errors()
    return str(error["msg"])


def server(certificate: Certificate, ca: Path | None = None) -> ssl.SSLContext:
    """Return a server's side, which asks for a client's certificate where it has a `ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def shake(client: ssl.SSLContext, server: ssl.SSLContext, name: str = "localhost") -> ssl.SSLObject:
    """Let two sides shake hands in memory; return the server's."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [one, other]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            return other
    raise AssertionError("the two do not come to an end")


@pytest.fixture
def encrypted(authority: Authority, tmp_path: Path) -> Path:
    """Make an encrypted key of the client's certificate."""
    key = load_pem_private_key(authority.client.key.read_bytes(), None)
    path = tmp_path / "encrypted.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())))
    return path


def test_the_system_is_trusted_without_a_ca() -> None:
    """Nothing given means the system's authorities, names checked, TLS 1.2 at least."""
    context = made().context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_ca_is_trusted_alone(authority: Authority, tmp_path: Path) -> None:
    """With `ca` its certificates count, and none of the system's or of another authority."""
    other = Authority(tmp_path, "other")
    context = made(ca=authority.ca).context()
    assert context.cert_store_stats()["x509"] == 1
    assert shake(context, server(authority.server)).version() in {"TLSv1.2", "TLSv1.3"}
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(made(ca=authority.ca).context(), server(other.server))


@pytest.mark.parametrize("name", ["example.org", "127.0.0.2"])
def test_m23_a_wrong_host_is_refused(name: str, authority: Authority) -> None:
    """A good certificate of somebody else's is none."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(made(ca=authority.ca).context(), server(authority.server), name)


def test_m23_an_expired_certificate_is_refused(authority: Authority) -> None:
    """What was good once is none either."""
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake(made(ca=authority.ca).context(), server(authority.expired), "127.0.0.1")


def test_an_old_protocol_is_refused(authority: Authority) -> None:
    """A server that speaks TLS 1.1 at most gets no connection."""
    old = server(authority.server)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        shake(made(ca=authority.ca).context(), old)


def test_m23_a_ca_that_is_renewed_counts_from_the_next_connection(authority: Authority, tmp_path: Path) -> None:
    """Each context reads the file again."""
    ca = tmp_path / "ca.pem"
    other = Authority(tmp_path, "next")
    shutil.copy(authority.ca, ca)
    tls = made(ca=ca)
    shutil.copy(other.ca, ca)
    shake(tls.context(), server(other.server))


def test_a_ca_may_be_the_server_itself(authority: Authority) -> None:
    """What the operator names is trusted as it stands, also without what is above it."""
    shake(made(ca=authority.server.cert).context(), server(authority.server))


def test_a_client_proves_itself(authority: Authority) -> None:
    """A certificate with its key is shown to a server that asks."""
    context = made(ca=authority.ca, cert=authority.client.cert, key=authority.client.key).context()
    shown = shake(context, server(authority.server, authority.ca)).getpeercert()
    assert shown is not None
    assert "bridge.example.org" in str(shown["subject"])


def test_certificate_and_key_may_share_a_file(authority: Authority) -> None:
    """Without `key` the file of `cert` holds both."""
    shake(made(ca=authority.ca, cert=authority.client.both).context(), server(authority.server, authority.ca))


def test_an_encrypted_key_is_opened(authority: Authority, encrypted: Path) -> None:
    """Its password is a secret."""
    tls = made(ca=authority.ca, cert=authority.client.cert, key=encrypted, key_password={"env": "KEY"})
    shake(tls.context(), server(authority.server, authority.ca))
    assert PASSWORD not in repr(tls)
    assert PASSWORD not in tls.model_dump_json()


def test_a_relative_path_starts_at_the_folder(authority: Authority) -> None:
    """As everywhere in the configuration."""
    assert made(authority.ca.parent, ca=authority.ca.name).ca == authority.ca


@pytest.mark.parametrize("key", ["ca", "cert", "key"])
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "text", "binary", "large", "nameless", "nul"])
def test_a_file_that_is_no_pem_is_refused(key: str, kind: str, authority: Authority, tmp_path: Path) -> None:
    """It is said what was expected, and not what was found."""
    path = tmp_path / "HUNTER2"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "empty":
            path.touch()
        case "text":
            path.write_text("HUNTER2")
        case "binary":
            path.write_bytes(bytes(range(256)))
        case "large":
            path.write_bytes(authority.client.both.read_bytes() + b"\n" * MAX_PEM)
    given = {"nameless": "", "nul": "a\0b"}.get(kind, str(path))
    others = {"cert": authority.client.cert} if key == "key" else {}
    said = refusal(**others, **{key: given})
    assert "PEM file" in said
    assert "HUNTER2" not in said


@pytest.mark.parametrize("key", ["ca", "cert", "key"])
def test_a_damaged_pem_is_refused(key: str, authority: Authority, tmp_path: Path) -> None:
    """The lines around it are right, and what is between them is not."""
    path = tmp_path / "damaged.pem"
    what = "PRIVATE KEY" if key == "key" else "CERTIFICATE"
    path.write_text(f"-----BEGIN {what}-----\naGVsbG8=\n-----END {what}-----\n")
    others = {"ca": {}, "cert": {"key": authority.client.key}, "key": {"cert": authority.client.cert}}[key]
    assert "damaged" in refusal(**others, **{key: path})


def test_a_key_in_place_of_a_certificate_is_refused(authority: Authority) -> None:
    """And the other way about."""
    assert "BEGIN CERTIFICATE" in refusal(ca=authority.client.key)
    assert "BEGIN CERTIFICATE" in refusal(cert=authority.client.key)
    assert "BEGIN PRIVATE KEY" in refusal(cert=authority.client.cert)
    assert "BEGIN PRIVATE KEY" in refusal(cert=authority.client.cert, key=authority.client.cert)


def test_a_key_belongs_to_a_certificate(authority: Authority) -> None:
    """A key alone proves nothing, nor does another's."""
    assert "`cert`" in refusal(key=authority.client.key)
    assert "`cert`" in refusal(key_password={"env": "KEY"})
    assert "does not belong" in refusal(cert=authority.client.cert, key=authority.server.key)


def test_an_encrypted_key_needs_its_password(authority: Authority, encrypted: Path) -> None:
    """Nobody is asked at the terminal, and what was given is not repeated."""
    cert = authority.client.cert
    assert "`key_password`" in refusal(cert=cert, key=encrypted)
    assert "does not open" in refusal(cert=cert, key=encrypted, key_password={"env": "WRONG"})
    # A password of a key that is not encrypted does no harm.
    made(cert=cert, key=authority.client.key, key_password={"env": "KEY"}).context()


@pytest.mark.parametrize("key", ["insecure", "verify", "server_name"])
def test_nothing_switches_the_check_off(key: str) -> None:
    """There is no such key."""
    assert "not permitted" in refusal(**{key: "no"})


@pytest.mark.parametrize("key", ["ca", "cert"])
def test_a_file_that_goes_later_is_told_of(key: str, authority: Authority, tmp_path: Path) -> None:
    """A connection is not made with less than was asked for."""
    path = tmp_path / "file.pem"
    shutil.copy(authority.client.both, path)
    tls = made(**{key: path})
    path.unlink()
    with pytest.raises(SourceError, match=f"^tls.{key}: expected a PEM file"):
        tls.context()


def test_keys_are_not_written_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSLKEYLOGFILE, which a debugger leaves in the environment, does not concern us."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert made().context().keylog_filename is None
