"""How long a server asks us to wait."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

#: Seconds: no server's word holds a page back for longer, or one typing error there would be an outage here.
LONGEST_WORD: Final = 3_600.0

#: Seconds, thirty years: any number with more digits is read as this one. Python refuses to read thousands of them.
MOST_SECONDS: Final = 999_999_999.0

#: Signs of a date, in the longest of the three forms that a server may use.
MAX_DATE: Final = 40

DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)


def retry_after(text: str, wall: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, an hour at most; None where it is neither seconds nor a date.

    RFC 9110, section 10.2.3.
    """
    text = text.strip()
    if DIGITS.fullmatch(text):
        return min(seconds(text), LONGEST_WORD)
    if not text or len(text) > MAX_DATE:
        return None
    try:
        date = parsedate_to_datetime(text)
        # The oldest form, that of asctime, has no zone, and means GMT all the same.
        until = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(until - wall, 0.0), LONGEST_WORD)


def seconds(digits: str) -> float:
    """Return the number that digits write, however many there are."""
    digits = digits.lstrip("0") or "0"
    return float(digits) if len(digits) <= len(f"{MOST_SECONDS:.0f}") else MOST_SECONDS
