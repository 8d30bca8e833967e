"""What an address is asked with so that it may answer 304: the validators of its last reply (RFC 9110, section 13.1).

They go back as they came, a weak entity tag too: `If-None-Match` compares weakly, and a page that is equal but for its
bytes has no news.
"""

import re
from typing import Final, NamedTuple

from multidict import CIMultiDictProxy

#: Signs of an entity tag: hashes have some dozens. A longer one would only cost, with every poll.
MAX_ETAG: Final = 512

#: Signs of a date, as a server may write one.
MAX_DATE: Final = 40

# In quotes as it must be, or bare as some servers write it; never `*`, which any page would match, and never a list.
_ETAG: Final = re.compile(r'(?:W/)?"[!\x23-\x7e]*"|[^\s",*\x00-\x20\x7f-\U0010ffff]+')
_DATE: Final = re.compile(r"[A-Za-z0-9 ,:+-]+", re.ASCII)


class Validators(NamedTuple):
    """The entity tag and the date of a reply, "" where it had none, and which address it came from in the end."""

    etag: str = ""
    modified: str = ""
    address: str = ""

    @classmethod
    def of(cls, headers: CIMultiDictProxy[str], address: str) -> "Validators":
        """Take those of a reply; what could not be sent back is left out."""
        etag, modified = headers.get("ETag", "").strip(), headers.get("Last-Modified", "").strip()
        return cls(
            etag if len(etag) <= MAX_ETAG and _ETAG.fullmatch(etag) else "",
            modified if len(modified) <= MAX_DATE and _DATE.fullmatch(modified) else "",
            address,
        )

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of a request that has them."""
        both = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in both.items() if value}
