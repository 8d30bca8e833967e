"""What file names tell: which are compressed, which are rotated copies of another, which cannot be passed on."""

import re
from typing import Final

_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z", ".br")

#: How compressed files begin, for those whose names do not tell; and UTF-16, whose lines no byte separates.
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"\x1f\x9d": "compress",
    b"\x7fELF": "a program",
    b"\xff\xfe": "UTF-16; write UTF-8",
    b"\xfe\xff": "UTF-16; write UTF-8",
}
#: Bytes that show each of these.
MAGIC: Final = max(map(len, _MAGIC))

# What logrotate and the usual libraries put into a name: `.1`, `-20241231`, `.2024-12-31_23`, `-2024-12-31T23-59-59.5`;
# it stands at the end (`app.log.1`) or before the last suffix (`app-20241231.log`).
_SERIAL: Final = re.compile(r"[.\-_]\d[\d.:+\-_TZ]*?(\.[^.\d][^.]*)?", re.ASCII)
# Not `.bak` or `~`: those are made by people and editors, of files that go on.
_WORDS: Final = (".old", ".prev")
_NUMBER: Final = re.compile(r"\.(\d{1,6})", re.ASCII)


def is_compressed(name: str) -> bool:
    """Tell whether this is the name of a compressed file."""
    return name.endswith(_COMPRESSED)


def unfit(head: bytes) -> str:
    """Say what makes a file that begins so unfit to be read as lines; "" if nothing does."""
    return next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "")


def is_clean(name: str) -> bool:
    """Tell whether a name is text without control characters, fit for a URL, a log line and a fact."""
    return name.isprintable() or not any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in name)


def originals(name: str) -> set[str]:
    """Return the names whose rotated generation may be called `name`; none if it does not look like one."""
    if is_compressed(name):
        return set()
    found = {name.removesuffix(word) for word in _WORDS if name.endswith(word)}
    for at in range(1, len(name) - 1):
        if name[at] in ".-_" and name[at + 1].isdigit() and (serial := _SERIAL.fullmatch(name, at)):
            found.add(name[:at] + (serial[1] or ""))
    return found - {"", name}


def number(name: str, original: str) -> int:
    """Return N where `name` is `<original>.N`; 0 for any other name."""
    found = _NUMBER.fullmatch(name, len(original)) if name.startswith(original) else None
    return int(found[1]) if found else 0
