"""Faults of polling that are TLS's: who the other side is, and how it proves that."""

import asyncio
import contextlib
import datetime as dt
import shutil
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.sources.web import trust
from tests.certificates import Authority, Certificate
from tests.http_server import Cut, HttpServer, Request, Wire, answer
from tests.web_client import Dns, asking, failure, fetch


def speaking(certificate: Certificate, ca: Path | None = None) -> ssl.SSLContext:
    """Return a server's side, which asks for a client's certificate where it has a `ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def self_signed(folder: Path) -> Certificate:
    """Return a certificate that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "self.cert.pem", folder / "self.key.pem", folder / "self.pem")
    files.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextlib.asynccontextmanager
async def shaking(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Give the port of a server that shakes hands by OpenSSL itself: asyncio's tells nobody why it does not."""

    def serve() -> None:
        while True:
            try:
                taken, _ = listening.accept()
            except OSError:
                return
            taken.settimeout(10)
            with context.wrap_socket(taken, server_side=True, do_handshake_on_connect=False) as secured:
                with contextlib.suppress(OSError):
                    secured.do_handshake()
                with contextlib.suppress(OSError):
                    # To close before all is read would be a RST, which overtakes the reason.
                    secured.shutdown(socket.SHUT_WR)
                    while secured.recv(65_536):
                        pass

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        await asyncio.to_thread(thread.join)


@pytest.fixture(autouse=True)
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a failed handshake count at once."""
    monkeypatch.setattr(trust, "NEW", 0.0)


async def test_h27_a_certificate_that_we_trust(authority: Authority) -> None:
    """A certificate that we trust."""
    async with HttpServer.serving(answer(body=b"x"), context=speaking(authority.server)) as server:
        for host in ("127.0.0.1", "localhost"):
            async with asking(server.url(host=host), tls={"ca": str(authority.ca)}) as client:
                assert await fetch(client) == b"x"


async def test_h27_a_certificate_that_has_expired(authority: Authority) -> None:
    """A certificate that has expired."""
    async with HttpServer.serving(answer(), context=speaking(authority.expired)) as server:
        async with asking(server.url(), tls={"ca": str(authority.ca)}) as client:
            assert await failure(client) == f"the certificate of 127.0.0.1:{server.port} has expired"
        assert not server.requests


async def test_h27_a_certificate_that_is_not_valid_yet(authority: Authority) -> None:
    """A certificate that is not valid yet."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    soon = authority.issue("soon", "127.0.0.1", not_before=later, not_after=later + dt.timedelta(days=1))
    async with (
        HttpServer.serving(answer(), context=speaking(soon)) as server,
        asking(server.url(), tls={"ca": str(authority.ca)}) as client,
    ):
        assert "is not valid yet" in await failure(client)


async def test_h27_a_certificate_for_another_host(authority: Authority) -> None:
    """A certificate for another host."""
    async with HttpServer.serving(answer(), context=speaking(authority.elsewhere)) as server:
        async with asking(server.url(), tls={"ca": str(authority.ca)}) as client:
            assert await failure(client) == f"the certificate of 127.0.0.1:{server.port} is for another address"
        async with asking(server.url(host="localhost"), tls={"ca": str(authority.ca)}) as client:
            assert await failure(client) == f"the certificate of localhost:{server.port} is for another name"


async def test_h27_a_certificate_of_an_authority_that_we_do_not_know(authority: Authority) -> None:
    """A certificate of an authority that we do not know."""
    async with (
        HttpServer.serving(answer(), context=speaking(authority.server)) as server,
        asking(server.url()) as client,
    ):
        told = await failure(client)
        assert told.startswith(f"nobody that we trust signed the certificate of 127.0.0.1:{server.port}")


async def test_h27_a_certificate_that_signed_itself(tmp_path: Path) -> None:
    """A certificate that signed itself."""
    own = self_signed(tmp_path)
    async with HttpServer.serving(answer(body=b"x"), context=speaking(own)) as server:
        async with asking(server.url(host="localhost")) as client:
            told = await failure(client)
            assert told.startswith(f"the certificate of localhost:{server.port} is self-signed")
        async with asking(server.url(host="localhost"), tls={"ca": str(own.cert)}) as client:
            assert await fetch(client) == b"x"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_h27_versions_of_tls_that_are_broken(authority: Authority, version: ssl.TLSVersion) -> None:
    """Versions of TLS that are broken."""
    context = speaking(authority.server)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    async with (
        shaking(context) as port,
        asking(f"https://127.0.0.1:{port}/", tls={"ca": str(authority.ca)}) as client,
    ):
        told = await failure(client)
        assert told.startswith(f"127.0.0.1:{port} speaks no version of TLS that is still safe")


async def test_h27_https_to_a_port_that_speaks_http(authority: Authority) -> None:
    """Https to a port that speaks HTTP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(400))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asking(f"https://127.0.0.1:{port}/", tls={"ca": str(authority.ca)}) as client:
            told = await failure(client)
            assert told == f"127.0.0.1:{port} does not speak TLS on this port: is http:// meant?"


async def test_h27_http_to_a_port_that_speaks_https(authority: Authority) -> None:
    """Some servers say so by an alert in plain text, OpenSSL by nothing at all."""
    alert = bytes([21, 3, 1, 0, 2, 2, 70])
    async with HttpServer.serving(Cut(alert)) as server, asking(server.url()) as client:
        assert await failure(client) == f"127.0.0.1:{server.port} speaks TLS on this port: is https:// meant?"
    async with shaking(speaking(authority.server)) as port, asking(f"http://127.0.0.1:{port}/") as client:
        assert await failure(client) == f"127.0.0.1:{port} closed the connection without an answer"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_h27_a_server_that_asks_for_our_certificate(authority: Authority, version: ssl.TLSVersion) -> None:
    """TLS 1.2 says so within the handshake, 1.3 only when we have sent our request."""
    context = speaking(authority.server, authority.ca)
    context.maximum_version = version
    async with (
        shaking(context) as port,
        asking(f"https://127.0.0.1:{port}/", tls={"ca": str(authority.ca)}) as client,
    ):
        told = await failure(client)
    assert told.startswith((f"127.0.0.1:{port} asks for a certificate of ours", f"127.0.0.1:{port} does not accept us"))
    own = {"ca": str(authority.ca), "cert": str(authority.client.cert), "key": str(authority.client.key)}
    async with (
        HttpServer.serving(answer(body=b"x"), context=context) as server,
        asking(server.url(), tls=own) as client,
    ):
        assert await fetch(client) == b"x"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_h27_a_certificate_of_ours_that_is_not_accepted(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A certificate of ours that is not accepted."""
    other = Authority(tmp_path)
    context = speaking(authority.server, authority.ca)
    context.maximum_version = version
    async with shaking(context) as port:
        own = {"ca": str(authority.ca), "cert": str(other.client.cert), "key": str(other.client.key)}
        async with asking(f"https://127.0.0.1:{port}/", tls=own) as client:
            told = await failure(client)
            assert told.startswith(f"127.0.0.1:{port} does not accept us")


async def test_h27_an_authority_that_was_renewed_in_place_is_noticed(authority: Authority, tmp_path: Path) -> None:
    """After a handshake that failed, files are read again."""
    ca = tmp_path / "renewed.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    async with (
        HttpServer.serving(answer(body=b"x"), context=speaking(authority.server)) as server,
        asking(server.url(), tls={"ca": str(ca)}) as client,
    ):
        assert "nobody that we trust" in await failure(client)
        shutil.copy(authority.ca, ca)
        assert await fetch(client) == b"x"
        ca.write_text("nothing")
        assert await fetch(client) == b"x"


async def test_h27_a_file_that_is_no_certificate_any_more_is_told(authority: Authority, tmp_path: Path) -> None:
    """A file that is no certificate any more is told."""
    ca = tmp_path / "ca.pem"
    shutil.copy(authority.ca, ca)
    async with (
        HttpServer.serving(answer(), context=speaking(authority.server)) as server,
        asking(server.url(), tls={"ca": str(ca)}) as client,
    ):
        ca.unlink()
        assert (await failure(client)).startswith("tls.ca: expected a PEM file")


async def test_h17_another_origin_does_not_see_our_certificate(authority: Authority) -> None:
    """It asks for one and takes any, and gets none."""
    dns = Dns({"localhost": ["127.0.0.1"]})
    context = speaking(authority.server, authority.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    own = {"ca": str(authority.ca), "cert": str(authority.client.cert), "key": str(authority.client.key)}
    seen: list[object] = []

    async with HttpServer.serving(answer(body=b"x"), context=context) as server:

        async def look(_: Request, wire: Wire) -> None:
            seen.append(wire.writer.get_extra_info("peercert"))
            elsewhere = ("Location", server.url("/there", host="localhost"))
            await wire.send(answer(302, b"", elsewhere) if len(seen) == 1 else answer(body=b"x"))

        server.play(look)
        async with asking(server.url(), dns, tls=own, allow=["localhost"]) as client:
            assert await fetch(client) == b"x"
    assert seen[0]
    assert not seen[1]


async def test_h18_from_https_back_to_http(authority: Authority) -> None:
    """From https back to HTTP."""
    async with HttpServer.serving(answer()) as plain, HttpServer.serving(context=speaking(authority.server)) as server:
        server.play(answer(302, b"", ("Location", plain.url())))
        async with asking(server.url(), tls={"ca": str(authority.ca)}) as client:
            assert "redirects from https to http" in await failure(client)
        assert not plain.requests
