"""What the file says of replies, what a reply is, and what is wrong with one. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Emit = Literal["always", "changes", "items"]
Format = Literal["auto", "json", "ndjson", "text", "csv", "xml", "feed"]
Delta = Literal["json-patch", "merge-patch"]

#: Items of one reply. They are published in one turn of the loop, which serves nobody meanwhile.
MAX_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the file says of the replies of one source."""

    #: None where the file does not say.
    emit: Emit | None = None
    format: Format = "auto"
    #: A JSON Pointer to the list (RFC 6901); "" is the whole reply.
    items: str = ""
    #: The field of an item that tells it from the others: a plain path such as `id` or `meta.id`.
    key: str | None = None
    delta: Delta | None = None
    max_items: int = MAX_ITEMS

    @property
    def mode(self) -> Emit:
        """Return what is emitted: the entries of a feed, the changes of all else, where the file does not say."""
        return self.emit or ("items" if self.format == "feed" else "changes")

    @property
    def needs_json(self) -> bool:
        """Tell whether a text would be of no use."""
        return self.mode == "items" or self.delta is not None


class Reply(NamedTuple):
    """A reply whose body is complete and decoded (no Content-Encoding any more)."""

    body: bytes
    content_type: str
    #: Unix seconds: when it arrived.
    time: float
    subject: str
    captures: Mapping[str, str]
    status: int


class ReplyError(Exception):
    """A reply cannot be used, in words for a person that hold nothing of what stands in it."""
