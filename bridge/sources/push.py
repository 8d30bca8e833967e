"""The `push` source: events that others send by HTTP.

    POST   /-/push/{source}/{subject}   one event, or a batch
    DELETE /-/push/{source}/{subject}   a tombstone

`document.py` and `cloudevents.py` say what a body holds. Beside it a request may say:

* `Event: alert` or `?event=alert`: the event's name, where its route gives none;
* `Idempotency-Key: 7f3a` or `?id=7f3a`: whoever repeats it within `dedup` gets the first answer, and nothing is
  published twice. It holds for its subject and method. A CloudEvent's source and id do the same for that event;
* `Key: p1` or `?key=p1`: the key, for a route that says `key: key`. A tombstone needs its route's key: this one, or
  the name of the subject that the route takes for its key.

The query wins over the header, and both win over what a CloudEvent says of itself.

With `token` a request carries `Authorization: Bearer …`. With `hmac` it carries `X-Signature-256: sha256=` and the
hexadecimal HMAC-SHA256 of the body (`X-Hub-Signature-256`, as GitHub sends it, does too). A signature proves who wrote
the body, not when and not for which address; so without a token beside it, a request without a body is refused: its
signature would fit every address.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bridge import wire
from bridge.errors import PushError, TemplateError
from bridge.event import Message
from bridge.secret import Secret
from bridge.sources.base import Outlet, Place, Source
from bridge.sources.document import Item, word
from bridge.sources.pushed import EVENT_RULE, Batch, Stated, read, stated
from bridge.sources.schedule import SYSTEM, Clock
from bridge.sources.window import Window
from bridge.template import Template
from bridge.units import Duration, Size

#: Headers of a request that its events keep in any case: the trace that it is a part of (W3C Trace Context).
TRACE: Final = ("traceparent", "tracestate")

#: Signs of a subject, as for MQTT topics in practice.
MAX_SUBJECT: Final = 1_024

#: A body is held in memory, and parsed while nobody is served.
MAX_BODY: Final = 16 * 1024 * 1024

#: Whoever has not repeated a request within a day does not know of it any more.
MAX_DEDUP: Final = 86_400.0

SIGNATURES: Final = ("x-signature-256", "x-hub-signature-256")

#: Headers that hold what nobody else should see.
_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization", *SIGNATURES})

_HEADER: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


#: What tells events of one request apart: the identity of a CloudEvent, the place of any other.
_Name = tuple[str, ...] | int


def _check_subject(text: str) -> str:
    try:
        Template.parse(text)
    except TemplateError as error:
        raise PydanticCustomError("subject", f"column {error.column + 1}: {error}") from None
    if not text or text.startswith("/"):
        raise PydanticCustomError("subject", "a subject begins without a slash, for example users/{user}")
    return text


def _check_max(size: int) -> int:
    if 1 <= size <= MAX_BODY:
        return size
    raise PydanticCustomError("max", "expected a size of 1B to 16MiB")


def _check_dedup(age: float) -> float:
    if age <= MAX_DEDUP:
        return age
    raise PydanticCustomError("dedup", "expected a window of at most 1d; 0s switches it off")


def _check_headers(names: list[str]) -> list[str]:
    for name in names:
        if not _HEADER.fullmatch(name):
            raise PydanticCustomError("headers", "a header's name is lower-case letters, digits and -")
        if name in _SECRET:
            raise PydanticCustomError("headers", f"{name} holds a secret, which no event may carry")
    return names


class Push(Source):
    """Events that others send by HTTP: `POST /-/push/{source}/{subject}`."""

    subject: Annotated[str, AfterValidator(_check_subject)] | None = Field(
        default=None,
        description=(
            "What follows the source's name in the address, with names for its parts. Without it any subject, also "
            "none, is taken, and its name is `subject`."
        ),
        examples=["users/{user}"],
    )
    token: Secret | None = Field(
        default=None,
        description="What a sender must show: `Authorization: Bearer …`. The public port needs it, or `hmac`.",
        examples=[{"file": "/run/secrets/push"}],
    )
    hmac: Secret | None = Field(
        default=None,
        description=(
            "The key with which a sender signs the body: `X-Signature-256: sha256=…`, the hexadecimal HMAC-SHA256 "
            "(or `X-Hub-Signature-256`, as GitHub sends it)."
        ),
        examples=[{"env": "WEBHOOK_KEY"}],
    )
    dedup: Annotated[Duration, AfterValidator(_check_dedup)] = Field(
        default=300.0,
        description=(
            "How long an `Idempotency-Key` is remembered, at most 1d; its repetition gets the first answer. `0s` "
            "remembers none."
        ),
        examples=["5m"],
    )
    max: Annotated[Size, AfterValidator(_check_max)] = Field(
        default=1024 * 1024,
        description="The largest body, 1B to 16MiB; a larger one is answered 413.",
        examples=["64KiB"],
    )
    headers: Annotated[list[str], AfterValidator(_check_headers)] = Field(
        default_factory=list[str],
        description="Headers of a request that its events keep, in lower case; `headers.x-region` then finds one. "
        "`traceparent` and `tracestate` are kept in any case.",
        examples=[["x-region"]],
    )

    def follows(self, before: Source) -> bool:
        """Tell that nothing is lost between two runs: the door stands open all the while."""
        return isinstance(before, Push)

    def names(self) -> frozenset[str]:
        """Return the names in the subject."""
        return frozenset(Template.parse(self.subject).names if self.subject else ("subject",))

    @property
    def is_guarded(self) -> bool:
        """Tell whether senders must prove themselves, so that the public port may offer it."""
        return self.token is not None or self.hmac is not None

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Wait: the door does the work."""
        outlet.up()
        await asyncio.Event().wait()

    def door(self, outlet: Outlet, clock: Clock = SYSTEM) -> "Door":
        """Return what the gateway hands requests to; made once, it remembers what was repeated."""
        return Door(self, outlet, clock)


class Door:
    """Takes the requests for one source."""

    def __init__(self, push: Push, outlet: Outlet, clock: Clock) -> None:
        self.limit = push.max
        self.is_guarded = push.is_guarded
        self._push = push
        self._outlet = outlet
        self._clock = clock
        self._template = Template.parse(push.subject or "{subject*}")
        #: What may be repeated, with the answer that it got.
        self.seen = Window(push.dedup, clock.steady)

    def follow(self, before: "Door") -> None:
        """Go on knowing what was repeated at the door before this one."""
        self.seen = before.seen
        self.seen.rebound(self._push.dedup)

    def admit(self, headers: Mapping[str, str], subject: str) -> None:
        """Refuse, before its body is read, a request that cannot succeed; raises `PushError`.

        Names of headers are in lower case. A subject is decoded, and "" where there is none.
        """
        push = self._push
        if push.token is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not push.token.matches(given.strip()):
                raise PushError(401, "this source needs its token: `Authorization: Bearer …`")
        if push.hmac is not None and not _signature(headers):
            raise PushError(401, "this source needs a signature: `X-Signature-256: sha256=…`")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise PushError(415, "a body must come without Content-Encoding")
        # A CloudEvent may bring its subject in the body.
        if subject:
            self._captures(subject)

    def receive(
        self, method: str, headers: Mapping[str, str], query: Mapping[str, str], subject: str, body: bytes
    ) -> str | list[str]:
        """Publish what a request holds; return its event's id, or the ids of its batch. Raises `PushError`.

        Nothing awaits between the look into the window and its answer's place in it, so of two repetitions that
        arrive together one is the second. A request that is refused leaves no trace.
        """
        self.admit(headers, subject)
        self._verify(headers, body)
        facts = stated(headers, query)
        key = (method, subject, facts.id) if facts.id else ()
        if (known := self.seen.get(key)) is not None:
            return known
        batch = Batch([_tombstone(body)], is_single=True) if method == "DELETE" else read(headers, body)
        ids = self._publish([self._message(item, facts, headers, subject) for item in batch.items], batch.items)
        answer = ids[0] if batch.is_single else ids
        self.seen.put(key, answer)
        return answer

    def _publish(self, messages: list[Message], items: list[Item]) -> list[str]:
        """Emit those that were not seen before; return an id for each, the first one's for a repetition."""
        ids: dict[_Name, str] = {}
        fresh: dict[_Name, Message] = {}
        order: list[_Name] = []
        for number, (message, item) in enumerate(zip(messages, items, strict=True)):
            name: _Name = ("", message.subject, *item.identity) if item.identity else number
            known = self.seen.get(name) if isinstance(name, tuple) else None
            if isinstance(known, str):
                ids[name] = known
            else:
                fresh.setdefault(name, message)
            order.append(name)
        if fresh:
            given = self._outlet.emit(list(fresh.values()))
            for name, id in zip(fresh, given, strict=True):
                ids[name] = id
                if isinstance(name, tuple):
                    self.seen.put(name, id)
        return [ids[name] for name in order]

    def _message(self, item: Item, facts: Stated, headers: Mapping[str, str], subject: str) -> Message:
        name = facts.event or item.type
        if name and not wire.is_event(name):
            raise PushError(422, f"the CloudEvent's `type` cannot name an event, so give `?event=`: {EVENT_RULE}")
        subject = subject or item.subject
        key = facts.key or (item.key and word(item.key, "`partitionkey`"))
        # A CloudEvent's own trace is that of its producer; the request's may be of a relay.
        names = self._push.headers if TRACE[0] in item.headers else (*TRACE, *self._push.headers)
        kept = {name: wire.clean(headers[name]) for name in names if name in headers}
        now = self._clock.wall()
        return Message(
            payload=item.text,
            time=now if item.time is None else item.time,
            subject=subject,
            captures=self._captures(subject),
            headers={**item.headers, **kept},
            type=name,
            key=key or None,
            content_type=item.content_type,
            is_tombstone=item.is_tombstone,
        )

    def _captures(self, subject: str) -> dict[str, str]:
        word(subject, "the subject", MAX_SUBJECT)
        if self._push.subject is None:
            return {"subject": subject}
        captures = self._template.match(subject)
        if captures is None:
            raise PushError(404, f"the subject is not one of this source: {self._push.subject}")
        return captures

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        if self._push.hmac is None:
            return
        if not body and self._push.token is None:
            raise PushError(401, "nothing is signed in a request without a body: its signature would fit every address")
        expected = hmac.new(self._push.hmac.reveal().encode(), body, hashlib.sha256).hexdigest()
        given = _signature(headers).removeprefix("sha256=")
        if not hmac.compare_digest(given.lower().encode(errors="replace"), expected.encode()):
            raise PushError(401, "the signature is not that of this body")


def _signature(headers: Mapping[str, str]) -> str:
    return next((headers[name] for name in SIGNATURES if name in headers), "")


def _tombstone(body: bytes) -> Item:
    if body:
        raise PushError(400, "a DELETE has no body: its address, or `?key=`, says what goes")
    return Item("", "", is_tombstone=True)
