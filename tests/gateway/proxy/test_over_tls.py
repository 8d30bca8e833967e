"""An application behind TLS."""

import asyncio
import ssl

import pytest

from bridge.gateway.proxy.target import Target
from bridge.sources.tls import Tls
from tests.certificates import Authority, Certificate
from tests.gateway.proxy.app import HELLO, always, application, fronting
from tests.gateway.proxy.test_tunnel import echo, switched
from tests.gateway.raw import request, until


def serving(certificate: Certificate) -> ssl.SSLContext:
    """Return what an application with this certificate serves with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


async def test_requests_go_over_tls(authority: Authority) -> None:
    """Over a kept connection; each body is whole."""
    trusted = Tls(ca=authority.ca)
    async with application(always(HELLO), context=serving(authority.server)) as app:
        target = Target(host="127.0.0.1", port=app.port, tls=trusted.context)
        async with fronting(target, app=app) as front, front.peer() as peer:
            for method, body in (("GET", b""), ("POST", b"x" * 300_000)):
                assert (await request(peer, "/x", method, body)).body == b"hello"
            assert len(app.connections) == 1
            assert app.requests[1].endswith(b"x" * 300_000)


@pytest.mark.parametrize("name", ["expired", "elsewhere"])
async def test_a_certificate_that_is_not_right_is_502(name: str, authority: Authority) -> None:
    """One that has expired, or of another host; what is wrong with it stands in the log."""
    trusted = Tls(ca=authority.ca)
    async with application(always(HELLO), context=serving(getattr(authority, name))) as app:
        target = Target(host="127.0.0.1", port=app.port, tls=trusted.context)
        async with fronting(target, app=app) as front, front.peer() as peer:
            answer = await request(peer, "/x")
            assert (answer.status, answer.text) == (502, "the connection to the application is not secure\n")
            assert app.requests == []


async def test_a_tunnel_over_tls_ends_as_a_whole(authority: Authority) -> None:
    """TLS cannot end one direction alone: the client's end is the end of both."""
    trusted = Tls(ca=authority.ca)
    async with application(echo, context=serving(authority.server)) as app:
        target = Target(host="127.0.0.1", port=app.port, tls=trusted.context)
        async with fronting(target, app=app) as front, front.peer() as peer:
            await switched(peer)
            assert await peer.reader.readexactly(7) == b"welcome"
            peer.send(bytes(500_000))
            async with asyncio.timeout(20):
                assert await peer.reader.readexactly(500_000) == bytes(500_000)
            peer.writer.write_eof()
            await peer.rest()
            await until(lambda: not len(front.proxy))
