"""Ask a schema registry what records were written with: for `decode: avro`.

    GET /schemas/ids/{id}                          {"schema": "…", "schemaType": "AVRO", "references": […]}
    GET /subjects/{subject}/versions/{version}     the same, for a schema that another one refers to

Rule 1: what is wrong with a schema is told of it (`AvroError`): none of that id, another format than Avro, damaged.
Rule 2: whatever keeps us from knowing a schema is not (`RegistryError`): a registry that is down or slow, that refuses
    us, or an address behind which is none. The two must not be confused: the one loses records, the other waits.
Rule 3: the address is what the operator wrote: no redirect is followed, no proxy of the environment is asked.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import aiohttp
import orjson
import yarl

from bridge.errors import SourceError
from bridge.sources.kafka.avro import AvroError, Schema
from bridge.sources.kafka.registry import Registry
from bridge.sources.tls import Tls
from bridge.units import duration_text

#: A schema with all that it refers to, in bytes as the registry sends them. Registries keep theirs in Kafka, whose
#: records have 1 MiB.
MAX_BODY: Final = 4 * 1024 * 1024

#: Schemas that one may refer to, those that they refer to included.
MAX_REFERENCES: Final = 100

#: Ids are positive 32-bit numbers; a registry answers any other as it would a path that it does not have.
MAX_ID: Final = 2**31 - 1

_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json;q=0.9"
_CHUNK: Final = 64 * 1024


class RegistryError(SourceError):
    """A schema cannot be had now, which says nothing of the records that were written with it."""


@asynccontextmanager
async def asked(registry: Registry) -> AsyncGenerator["Questions"]:
    """Hold connections to the registry, for a few questions: what they are made with is read anew."""
    context: ssl.SSLContext | bool = True
    if registry.url.startswith("https:"):
        try:
            context = await asyncio.to_thread((registry.tls or Tls()).context)
        except SourceError as error:
            raise RegistryError(f"registry.{error}") from None
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=1),
        headers={"Accept": _ACCEPT, "Accept-Encoding": "identity", **registry.authorization()},
        timeout=aiohttp.ClientTimeout(total=registry.timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield Questions(session, registry.url, registry.timeout)


class Questions:
    """What is asked over a few connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout: float) -> None:
        self._session = session
        self._url = url
        self._timeout = timeout

    async def schema(self, id: int) -> tuple[Schema, int] | None:
        """Return a schema and how many bytes it came in; None where there is none of that id.

        Raises `AvroError` and `RegistryError`.
        """
        gathered = _Gathered()
        answer = await self._get(f"/schemas/ids/{id}", gathered)
        if answer is None:
            return None
        text = _text(answer)
        await self._refer(answer, gathered)
        # To take in one of some megabytes takes a while.
        return await asyncio.to_thread(Schema, text, gathered.texts), MAX_BODY - gathered.left

    async def _refer(self, answer: Mapping[str, object], gathered: "_Gathered") -> None:
        """Gather what a schema refers to, each after what it refers to itself."""
        for subject, version in _references(answer):
            if (subject, version) in gathered.seen:
                continue
            if len(gathered.seen) >= MAX_REFERENCES:
                raise AvroError(f"the schema refers to more than {MAX_REFERENCES} others")
            gathered.seen.add((subject, version))
            found = await self._get(f"/subjects/{quote(subject, safe='')}/versions/{version}", gathered)
            if found is None:
                raise AvroError("the schema refers to one that the registry does not have")
            await self._refer(found, gathered)
            gathered.texts.append(_text(found))

    async def _get(self, path: str, gathered: "_Gathered") -> Mapping[str, object] | None:
        try:
            async with self._session.get(yarl.URL(self._url + path, encoded=True), allow_redirects=False) as response:
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise RegistryError("the schema registry answers in a Content-Encoding, which it was not asked for")
                # An error has a short body, or it is not the registry's.
                body = await self._body(response, gathered)
        except TimeoutError:
            raise RegistryError(f"the schema registry does not answer within {duration_text(self._timeout)}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryError(f"the schema registry cannot be reached: {_words(error)}") from None
        return _answer(response.status, body)

    async def _body(self, response: aiohttp.ClientResponse, gathered: "_Gathered") -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            gathered.left -= len(chunk)
            if gathered.left < 0 and response.status != 200:  # noqa: PLR2004  # HTTP's OK
                break
            if gathered.left < 0:
                raise AvroError(f"the schema, with all that it refers to, is larger than {MAX_BODY // 1024**2} MiB")
        return bytes(body)


class _Gathered:
    """What is known of the references of one schema."""

    def __init__(self) -> None:
        self.left = MAX_BODY
        self.seen: set[tuple[str, int]] = set()
        self.texts: list[str] = []


def _answer(status: int, body: bytes) -> Mapping[str, object] | None:
    """Return what the registry has, None where it has nothing there; raises `RegistryError`."""
    content = _object(body)
    match status:
        case 200 if isinstance(content.get("schema"), str):
            return content
        case 200:
            raise RegistryError("the schema registry answers what no registry does: check `registry.url`")
        # 40401 subject, 40402 version, 40403 schema. A plain 404 is that of some other server, or of another path.
        case 404 if isinstance(code := content.get("error_code"), int) and code // 100 == 404:  # noqa: PLR2004
            return None
        case 401 | 403:
            raise RegistryError(f"the schema registry refuses us ({status}): check user and password, or the token")
        case 404:
            raise RegistryError("the schema registry has no such path (404): check `registry.url`")
        case _ if 300 <= status < 400:  # noqa: PLR2004  # redirects
            raise RegistryError(f"the schema registry sends us elsewhere ({status}), where we do not follow")
        case _:
            raise RegistryError(f"the schema registry answers with an error ({status})")


def _object(body: bytes) -> Mapping[str, object]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _text(answer: Mapping[str, object]) -> str:
    """Return the schema's text; raises `AvroError` where it is no Avro."""
    if answer.get("schemaType", "AVRO") != "AVRO":
        raise AvroError("the schema is not Avro")
    return str(answer["schema"])


def _references(answer: Mapping[str, object]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    references = answer.get("references") or []
    for reference in references if isinstance(references, list) else [None]:
        match reference:
            case {"subject": str(subject), "version": int(version)}:
                found.append((subject, version))
            case _:
                raise AvroError("the schema refers to others in a way that is not known here")
    return found


def _words(error: aiohttp.ClientError | OSError) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not one that we trust, or not for this name: check `registry.tls`"
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return "TLS fails with it: check that its address begins with https://, and `registry.tls`"
        case aiohttp.ClientConnectorDNSError():
            return "its host's name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return (error.os_error.strerror or "no connection").lower()
        case aiohttp.ClientError():
            return "the connection broke, or what it speaks is not HTTP"
        case _:
            return (error.strerror or type(error).__name__).lower()
