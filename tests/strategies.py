"""Inputs made by hypothesis: texts that try to break a frame, streams, cuts, templates."""

import string
from collections.abc import Sequence

from hypothesis import strategies as st

from bridge.bounds import Bounds

#: The payloads that `faults` names for every field of a frame.
PAYLOADS = {
    "lf": "a\nb",
    "cr": "a\revent: evil",
    "crlf": "a\r\nb",
    "double_lf": "a\n\ndata: evil",
    "nul": "a\0b",
    "nel": "a\x85b",
    "ls": "a\u2028b",
    "vt": "a\x0bb",
    "bom": "\ufeffa",
    "lone_surrogate": "a\ud800b",
    "edge_spaces": "  a  ",
    "empty": "",
    "leading_colon": ": a",
    "data_prefix": "data: a",
}

_NASTY = [
    *PAYLOADS.values(),
    "\n",
    "\r",
    "\r\n",
    " ",
    ":",
    "id: 1",
    "retry: 1",
    "é",
    "\U0001f600",
    "\udc00",
    "\x1c",
    "\f",
]

ids = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=128)

event_names = st.from_regex(r"[A-Za-z][A-Za-z0-9._/-]{0,63}", fullmatch=True).filter(
    lambda name: name not in {"open", "error"} and not name.startswith("bridge.")
)

#: Any text, lone surrogates included.
texts = st.text(st.characters(exclude_categories=())) | st.lists(st.sampled_from(_NASTY)).map("".join)

#: What a stream of a hostile server is made of.
streams = st.lists(
    st.sampled_from(
        [
            *(b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b":", b": ", b" ", b"\0", b"\xef\xbb\xbf", b"\xef", b"\xbb"),
            *(
                b"data",
                b"data:",
                b"data: x",
                b"id",
                b"id: 7",
                b"id: \0",
                b"event: e",
                b"event",
                b"retry: ",
                b"unknown: x",
            ),
            *(b"0", b"5", b"12345", b"-", b"\xd9\xa3", b"\xff", b"\xe2\x82", b"\xac", b"\xed\xa0\x80", b"\xc2\x85"),
        ]
    )
    | st.binary(max_size=3),
    max_size=40,
).map(b"".join)


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Cut bytes anywhere, empty pieces included."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def chop(data: bytes, size: int) -> list[bytes]:
    """Cut bytes into pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


# Few letters, so that texts and templates meet often.
_literals = st.text("ab", max_size=2)


@st.composite
def _segments(draw: st.DrawFn, names: Sequence[str]) -> str:
    """Make a literal, or literals around holes of these names; a name that ends in `*` stands alone."""
    if not names:
        return draw(_literals)
    between = [draw(st.text("ab", min_size=1, max_size=2)) for _ in names[1:]]
    inner = "".join(f"{literal}{{{name}}}" for literal, name in zip(["", *between], names, strict=True))
    return draw(_literals) + inner + draw(_literals)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Make the text of a template of up to four segments, at most one of them a rest."""
    count = draw(st.integers(1, 4))
    rest = draw(st.none() | st.integers(0, count - 1))
    parts: list[str] = []
    for at in range(count):
        holes = draw(st.integers(0, 2))
        names = ["rest*"] if at == rest else [f"n{at}{hole}" for hole in range(holes)]
        parts.append(draw(_segments(names)))
    return "/".join(parts)


#: Texts that the templates above may match.
paths = st.lists(st.text("abx", max_size=4), min_size=1, max_size=6).map("/".join)

#: Histories so small that everything happens at once.
bounds = st.builds(
    Bounds,
    events=st.integers(1, 6),
    bytes=st.integers(1, 6).map(lambda records: records * 300),
    age=st.sampled_from([10.0, 1e9]),
    keys=st.integers(1, 4),
)
