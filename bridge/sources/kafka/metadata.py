"""What a cluster is made of: brokers, topics with their ids, partitions with their leaders.

aiokafka asks in a version of the protocol that has no topic ids (KIP-516). This asks in version 10, which brokers have
since 2.8, and reads less from older ones. It never lets a broker make a topic by being asked for it.
"""

import uuid
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response  # type: ignore[import-untyped]  # it has no types
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]
from aiokafka.protocol.types import (  # type: ignore[import-untyped]
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

#: The request's key and the version used (KIP-516 came with it).
KEY: Final = 3
VERSION: Final = 10

#: Error codes of a topic that are told apart.
UNKNOWN_TOPIC: Final = 3
UNAUTHORISED: Final = 29

_NO_ID: Final = uuid.UUID(int=0)


class Broker(NamedTuple):
    """Where a broker says that it is."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Topic(NamedTuple):
    """One topic as the cluster knows it now."""

    name: str
    #: What tells it from an earlier topic of that name; "" where the broker is too old to say.
    id: str
    #: The broker that leads each partition; -1 where none does.
    leaders: Mapping[int, int]
    is_internal: bool = False
    #: Kafka's error code; 0 where all is well.
    error: int = 0


class Catalog(NamedTuple):
    """One answer."""

    cluster: str
    brokers: Mapping[int, Broker]
    topics: Mapping[str, Topic]


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _Answer(Response):  # type: ignore[misc]
    API_KEY = KEY
    API_VERSION = VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    API_KEY = KEY
    API_VERSION = VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class Question(Request[_Question]):  # type: ignore[misc]  # aiokafka has no types
    """Ask for the topics of these names, or for all."""

    API_KEY = KEY

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names

    def build(self, request_struct_class: type[_Question]) -> _Question:
        """Return the request."""
        wanted: list[tuple[bytes, str, dict[int, bytes]]] | None
        wanted = None if self._names is None else [(_NO_ID.bytes, name, {}) for name in self._names]
        never = False
        return request_struct_class(wanted, never, never, never, {})


def question(versions: Mapping[int, tuple[int, int]], names: Sequence[str] | None) -> object:
    """Return the request that a broker of these versions understands."""
    least, most = versions.get(KEY, (0, 0))
    if least <= VERSION <= most:
        return Question(names)
    return MetadataRequest(names if names is None else list(names), allow_auto_topic_creation=False)


def catalog(answer: Any) -> Catalog:  # aiokafka makes the attributes of an answer as it reads it
    """Read what a broker answered, in whichever version."""
    brokers = {node: Broker(host, port) for node, host, port, *_ in answer.brokers}
    topics: dict[str, Topic] = {}
    for entry in answer.topics:
        error, name, *rest = entry
        id = ""
        if answer.API_VERSION >= VERSION:
            known = uuid.UUID(bytes=rest.pop(0))
            id = str(known) if known != _NO_ID else ""
        is_internal, partitions = rest[:2] if answer.API_VERSION else (False, rest[0])
        leaders = {number: leader for _, number, leader, *_ in partitions}
        topics[name] = Topic(name, id, leaders, is_internal, error)
    return Catalog(getattr(answer, "cluster_id", None) or "", brokers, topics)
