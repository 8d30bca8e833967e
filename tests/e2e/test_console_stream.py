"""The console's reader of streams and its way with text, run in Chromium as the modules they are."""

import json

import pytest
import pytest_asyncio

STREAM = (
    "\ufeffretry: 1500\nid: a-0\n\n"
    ": a comment\n"
    "id: a-1\ndata: one\n\n"
    "event: tick\r\nid: a-2\r\ndata: two\r\ndata:\r\ndata:  lines\r\n\r\n"
    "data: three\rid: a-3\rdata\r\r"
    "event: nothing\n\n"
    "id: with\0NUL\nretry: soon\nunknown: field\ndata: \u2028four \x85 ü\n\n"
    "data: never ended"
)
EVENTS = [
    ["message", "one", "a-1"],
    ["tick", "two\n\n lines", "a-2"],
    ["message", "three\n", "a-3"],
    ["message", "\u2028four \x85 ü", "a-3"],
]
DECODE = """async ([text, size]) => {
    const { Decoder } = await import("/stream.js");
    const seen = [], comments = [], delays = [], ids = [];
    const decoder = new Decoder({
        event: ({ name, data, id }) => seen.push([name, data, id]), comment: (text) => comments.push(text),
        retry: (delay) => delays.push(delay), id: (id) => ids.push(id),
    });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += size) decoder.feed(bytes.slice(at, at + size));
    return { seen, comments, delays, last: ids.at(-1) };
}"""
SHOW = """async ([text, pretty]) => {
    const { show } = await import("/text.js");
    const box = document.createElement("pre");
    box.append(...show(text, pretty));
    return [box.textContent, [...box.querySelectorAll(":not(span)")].map((each) => each.tagName)];
}"""
ROUTES = """
sources: { notices: { kind: push } }
routes: { /notices: { from: notices } }
"""


@pytest_asyncio.fixture(loop_scope="session")
async def console(run, page):
    """Open a console."""
    bridge = await run(ROUTES)
    await page.goto(bridge.admin)
    return page


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
async def test_reads_the_same_events_however_the_bytes_are_cut(console, size):
    """Line ends, characters of several bytes and a BOM may be split anywhere."""
    heard = await console.evaluate(DECODE, [STREAM, size])
    assert heard == {"seen": EVENTS, "comments": [" a comment"], "delays": [1500], "last": "a-3"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":1.0,"a":[1e400,-0,"x\\u202e"],"b":{},"c":[[]]}', None),
        ('{"text":"braces { } , : \\" and \\\\"}', '{"text": "braces { } , : \\" and \\\\"}'),
        ("[]", "[]"),
        ('[[],[1,"%s"]]' % ("x" * 60), '[\n  [],\n  [\n    1,\n    "%s"\n  ]\n]' % ("x" * 60)),
        ("[ [],\n[1, 2]]", "[[], [1, 2]]"),
        ("{not json}", "{not json}"),
        ("12345678901234567890", "12345678901234567890"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x00\x1b\x7f\x9b\u202e\u2028\ufeff", "^@^[^?U+009BU+202EU+2028U+FEFF"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b[38;5;1mred", "red"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("", ""),
    ],
)
async def test_text_is_shown_as_it_is(console, text, shown):
    """JSON is indented without a change to its values; what cannot be seen is named; only spans are made."""
    content, elements = await console.evaluate(SHOW, [text, True])
    assert elements == []
    if shown is None:
        assert content.replace("\n", "").replace(" ", "") == text
    else:
        assert content == shown


async def test_long_data_is_cut_for_the_eye_and_says_so(console):
    """A megabyte in one event does not hang the page."""
    content, _ = await console.evaluate(SHOW, [json.dumps({"text": "x" * 1_000_000}), True])
    assert len(content) < 70_000
    assert content.endswith("more characters")
