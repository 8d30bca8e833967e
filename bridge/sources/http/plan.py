"""What the keys say, as a run uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final, Self

import orjson

from bridge.demand import Asked
from bridge.params import Param
from bridge.sources.http.model import Http
from bridge.sources.http.reply import Rules
from bridge.sources.web.remote import Remote

#: Addresses that a list names. More than that is no list that anybody reads, and its product could be any number.
MAX_ENTRIES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    #: The source's name.
    name: str
    remote: Remote
    #: The names of the address with their rules, in its order.
    params: Mapping[str, Param]
    at_once: int
    #: Seconds; 0 where a cron line says when.
    every: float
    #: A cron line, or "".
    cron: str
    method: str
    body: bytes | None
    #: What goes with the body, where the file does not say it.
    headers: Mapping[str, str]
    #: Seconds, from the first byte of the request to the last one of the reply.
    timeout: float
    #: Bytes of a decoded reply.
    max: int
    #: Seconds for which an address is polled after its last listener has left.
    linger: float
    #: `Cache-Control` may put a poll off.
    obeys: bool
    rules: Rules

    @classmethod
    def of(cls, keys: Http, name: str) -> Self:
        """Return the plan of a source of that name."""
        return cls(
            name=name,
            remote=keys.remote(),
            params=keys.rules(),
            at_once=keys.at_once,
            every=keys.every or 0.0,
            cron=keys.cron or "",
            method=keys.method,
            body=_bytes(keys.body),
            headers=_headers(keys),
            timeout=keys.timeout,
            max=keys.max,
            linger=keys.linger,
            obeys=keys.cache == "obey",
            rules=keys.replies,
        )

    def asked(self, captures: Mapping[str, str]) -> Asked:
        """Return what tells the address of these captures from others."""
        return tuple([(name, captures[name]) for name in self.params])

    def entries(self) -> Sequence[Mapping[str, str]] | None:
        """Return the captures of all addresses there are, where the file names them one by one."""
        choices = [param.choices for param in self.params.values()]
        if not choices or None in choices:
            return None
        listed = product(*(each or () for each in choices))
        return [dict(zip(self.params, values, strict=True)) for values in islice(listed, MAX_ENTRIES)]


def _bytes(body: str | dict[str, object] | None) -> bytes | None:
    return body.encode() if isinstance(body, str) else None if body is None else orjson.dumps(body)


def _headers(keys: Http) -> Mapping[str, str]:
    if keys.body is None or any(name.lower() == "content-type" for name in keys.headers):
        return {}
    return {"Content-Type": "text/plain; charset=utf-8" if isinstance(keys.body, str) else "application/json"}
