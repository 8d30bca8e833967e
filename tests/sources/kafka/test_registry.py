"""What is asked of a registry, and what its answers mean."""

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.sources.kafka import schemas as module
from bridge.sources.kafka.avro import AvroError, Schema
from bridge.sources.kafka.registry import Registry
from bridge.sources.kafka.schemas import MAX_REFERENCES, RegistryError
from tests.certificates import Authority
from tests.registry import Mode, StandInRegistry, running_registry

ENVIRON = {"PASSWORD": "HUNTER2", "LINES": "HUNTER2\nX: y"}
RECORD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}


def made(**keys: object) -> Registry:
    """Return the model of what a YAML says."""
    return Registry.model_validate(keys, context={"folder": Path(), "environ": ENVIRON})


@pytest.fixture
async def server() -> AsyncIterator[StandInRegistry]:
    """Serve a registry."""
    async with running_registry() as running:
        yield running


async def asked(registry: Registry, id: int = 1) -> tuple[Schema, int] | None:
    """Ask for one schema."""
    async with module.asked(registry) as questions:
        return await questions.schema(id)


async def read(registry: Registry, id: int, data: bytes) -> Any:
    """Read a value with a schema of the registry."""
    found = await asked(registry, id)
    assert found is not None
    return json.loads(found[0].read(data))


async def test_a_schema_is_asked_for_by_its_id(server: StandInRegistry) -> None:
    """With one question."""
    id = server.register(RECORD)
    assert await read(made(url=server.url), id, b"\2") == {"a": 1}
    assert server.asked == [f"/schemas/ids/{id}"]
    assert server.authorizations == [None]


async def test_an_address_may_have_a_path(server: StandInRegistry) -> None:
    """As behind a gateway; a slash at its end means nothing."""
    with pytest.raises(RegistryError, match=r"check `registry\.url`"):
        await asked(made(url=f"{server.url}/apis/ccompat/v7/"))
    registry = made(url=f"{server.url}/")
    server.register(RECORD)
    assert await asked(registry) is not None


async def test_an_unknown_id_is_no_error(server: StandInRegistry) -> None:
    """It is the record's fault, which says so."""
    assert await asked(made(url=server.url), 7) is None


async def test_who_we_are_is_told(server: StandInRegistry) -> None:
    """By user and password, or by a token."""
    server.register(RECORD)
    await asked(made(url=server.url, username="é", password={"env": "PASSWORD"}))
    await asked(made(url=server.url, token={"env": "PASSWORD"}))
    assert server.authorizations == ["Basic w6k6SFVOVEVSMg==", "Bearer HUNTER2"]


async def test_what_a_schema_refers_to_is_asked_for_too(server: StandInRegistry) -> None:
    """Each once, those that are referred to first, with signs in names that an address would split at."""
    server.register(RECORD, subject="a/b?c")
    two = {"type": "record", "name": "Two", "fields": [{"name": "r", "type": "R"}]}
    server.register(two, subject="two", references=[("R", "a/b?c", 1)])
    id = server.register(["R", "Two"], references=[("R", "a/b?c", 1), ("Two", "two", 1)])
    assert await read(made(url=server.url), id, b"\2\4") == {"r": {"a": 2}}
    assert server.asked[1:] == ["/subjects/a/b?c/versions/1", "/subjects/two/versions/1"]


async def test_references_that_lead_back_come_to_an_end(server: StandInRegistry) -> None:
    """No registry takes such, and none of it hangs us."""
    server.register({"type": "array", "items": "B"}, subject="a", references=[("B", "b", 1)])
    server.register({"type": "array", "items": "A"}, subject="b", references=[("A", "a", 1)])
    id = server.register({"type": "array", "items": "A"}, references=[("A", "a", 1)])
    with pytest.raises(AvroError, match="does not define"):
        await asked(made(url=server.url), id)
    assert server.count == 3


async def test_references_have_a_bound(server: StandInRegistry) -> None:
    """A chain of them ends where nobody's does."""
    server.register("int", subject="s0")
    for n in range(1, MAX_REFERENCES + 1):
        server.register("int", subject=f"s{n}", references=[("x", f"s{n - 1}", 1)])
    id = server.register("int", references=[("x", f"s{MAX_REFERENCES}", 1)])
    with pytest.raises(AvroError, match="more than 100"):
        await asked(made(url=server.url), id)


async def test_a_reference_that_is_missing_is_the_schemas_fault(server: StandInRegistry) -> None:
    """The registry answers well, and what it has cannot be used."""
    id = server.register(RECORD, references=[("X", "gone", 3)])
    with pytest.raises(AvroError, match="refers to one that the registry does not have"):
        await asked(made(url=server.url), id)


@pytest.mark.parametrize("kind", ["PROTOBUF", "JSON"])
async def test_another_format_is_the_schemas_fault(kind: str, server: StandInRegistry) -> None:
    """A topic may hold what `decode: avro` does not mean."""
    id = server.register({}, kind=kind)
    with pytest.raises(AvroError, match="is not Avro"):
        await asked(made(url=server.url), id)


async def test_k18_a_schema_that_is_damaged_is_its_own_fault(server: StandInRegistry) -> None:
    """As is one that is too large."""
    with pytest.raises(AvroError, match="not one that can be read"):
        await asked(made(url=server.url), server.register(None, text="{"))
    server.mode = "huge"
    with pytest.raises(AvroError, match="larger than 4 MiB"):
        await asked(made(url=server.url))


async def test_a_schema_and_what_it_refers_to_share_the_bound(
    server: StandInRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many that are large are as much as one that is huge."""
    monkeypatch.setattr(module, "MAX_BODY", 1_500)
    filler = {**RECORD, "doc": "x" * 800}
    server.register(filler, subject="s")
    assert await asked(made(url=server.url), 1) is not None
    id = server.register(filler, references=[("R", "s", 1)])
    with pytest.raises(AvroError, match="larger"):
        await asked(made(url=server.url), id)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("broken", "answers with an error (500)"),
        ("lost", "has no such path (404): check `registry.url`"),
        ("refused", "refuses us (401): check user and password"),
        ("redirect", "sends us elsewhere (302)"),
        ("foreign", "answers what no registry does"),
        ("compressed", "Content-Encoding"),
        ("slow", "does not answer within 100ms"),
    ],
)
async def test_what_is_not_the_schemas_fault_is_told_in_words(mode: Mode, said: str, server: StandInRegistry) -> None:
    """Nothing is known of the schema then, so nothing is lost."""
    server.register(RECORD)
    server.mode = mode
    timeout = "100ms" if mode == "slow" else "10s"
    with pytest.raises(RegistryError) as caught:
        await asked(made(url=server.url, timeout=timeout, token={"env": "PASSWORD"}))
    assert said in str(caught.value)
    assert "HUNTER2" not in str(caught.value)
    assert server.count == 1


async def test_a_registry_that_is_gone_is_told_in_words(server: StandInRegistry, free_port: int) -> None:
    """Nobody listens, the name is not known, or somebody else listens there."""
    with pytest.raises(RegistryError, match=r"cannot be reached: .*(refused|connect)"):
        await asked(made(url=f"http://127.0.0.1:{free_port}"))
    with pytest.raises(RegistryError, match="name cannot be resolved"):
        await asked(made(url="http://registry.invalid"))
    with pytest.raises(RegistryError, match="TLS fails"):
        await asked(made(url=server.url.replace("http:", "https:")))


async def test_the_proxy_of_the_environment_is_not_asked(
    server: StandInRegistry, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    """The registry is where the operator says that it is."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
    server.register(RECORD)
    assert await asked(made(url=server.url)) is not None


async def test_https_is_checked(authority: Authority, tmp_path: Path) -> None:
    """With its own authority it is trusted, without not; a renewed one counts from the next question."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server.cert, authority.server.key)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Authority(tmp_path, "other").ca.read_bytes())
    async with running_registry(context) as running:
        running.register(RECORD)
        registry = made(url=running.url, tls={"ca": str(ca)})
        for other in (registry, made(url=running.url)):
            with pytest.raises(RegistryError, match="not one that we trust"):
                await asked(other)
        ca.write_bytes(authority.ca.read_bytes())
        assert await asked(registry) is not None
        ca.unlink()
        with pytest.raises(RegistryError, match=r"^registry\.tls\.ca: expected a PEM file"):
            await asked(registry)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "Field required"),
        ({"url": ""}, "expected the registry's address"),
        ({"url": "registry:8081"}, "expected the registry's address"),
        ({"url": "ftp://registry"}, "expected the registry's address"),
        ({"url": "file:///etc/passwd"}, "expected the registry's address"),
        ({"url": "http://"}, "expected the registry's address"),
        ({"url": "http://[::1"}, "expected the registry's address"),
        ({"url": "http://registry:99999"}, "expected the registry's address"),
        ({"url": "http://registry/ HTTP/1.1\r\nX: y"}, "expected the registry's address"),
        ({"url": "http://bridge:HUNTER2@registry"}, "cannot hold a password"),
        ({"url": "http://registry?token=HUNTER2"}, "no `?`"),
        ({"url": "http://registry#HUNTER2"}, "no `?`"),
        ({"url": "http://r", "username": "bridge"}, "belong together"),
        ({"url": "http://r", "password": {"env": "PASSWORD"}}, "belong together"),
        ({"url": "http://r", "username": "a:b", "password": {"env": "PASSWORD"}}, "a colon"),
        ({"url": "http://r", "username": "a", "password": {"env": "PASSWORD"}, "token": {"env": "PASSWORD"}}, "either"),
        ({"url": "http://r", "token": {"env": "LINES"}}, "one line of ASCII"),
        ({"url": "http://r", "token": "HUNTER2"}, "plain text"),
        ({"url": "http://r", "tls": {}}, "https://"),
        ({"url": "http://r", "timeout": "10ms"}, "100ms to 1m"),
        ({"url": "http://r", "timeout": 10}, "with a unit"),
    ],
)
def test_what_is_no_registry_is_refused(keys: dict[str, object], said: str) -> None:
    """It is said what is expected, and no secret is repeated."""
    with pytest.raises(ValidationError) as caught:
        made(**keys)
    [error] = caught.value.errors()
    assert said in error["msg"]
    assert "HUNTER2" not in error["msg"]
