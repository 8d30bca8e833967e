"""The program that reads `messages.yaml` follows the standard's rules for a stream."""

import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "config/examples/clients/messages.py"


def load():
    """Import the program, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("messages_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


client = load()

STREAM = (
    "\ufeffretry: 1500\nid: a-0\n\n"
    ": a comment\n"
    "id: a-1\ndata: one\n\n"
    "event: tick\r\nid: a-2\r\ndata: two\r\ndata:\r\ndata:  lines\r\n\r\n"
    "data: three\rid: a-3\rdata\r\r"
    "event: nothing\n\n"
    "id: with\0NUL\nretry: soon\nunknown: field\ndata: \u2028four \x85 ü\n\n"
    "data: never ended"
).encode()

EVENTS = [
    ("message", "one", "a-1"),
    ("tick", "two\n\n lines", "a-2"),
    ("message", "three\n", "a-3"),
    ("message", "\u2028four \x85 ü", "a-3"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_reads_the_same_events_however_the_bytes_are_cut(size):
    """Line ends, characters of several bytes and a BOM may be split anywhere."""
    reader = client.Reader()
    reader.connect()
    chunks = (STREAM[at : at + size] for at in range(0, len(STREAM), size))
    seen = [(event.name, event.data, event.id) for chunk in chunks for event in reader.feed(chunk)]
    assert seen == EVENTS
    assert (reader.id, reader.retry) == ("a-3", 1.5)


def test_a_lost_connection_leaves_nothing_but_the_id_and_the_delay():
    """What was half read is forgotten, and the id of the last whole event is asked for."""
    reader = client.Reader()
    assert reader.resume() == {}
    reader.connect()
    assert list(reader.feed(b"retry: 9\nid: 1\ndata: a\n\nid: 2\ndata: half\nda"))
    reader.connect()
    assert [event.data for event in reader.feed(b"data: b\n\n")] == ["b"]
    assert reader.resume() == {"Last-Event-ID": "1"}
    assert reader.retry == 0.009


def test_bad_bytes_become_replacement_characters():
    """A stream that is not UTF-8 is read on."""
    reader = client.Reader()
    assert [event.data for event in reader.feed(b"data: \xff\n\n")] == ["\ufffd"]


def test_line_without_an_end_is_given_up():
    """Memory is bounded, whatever the other side sends."""
    reader = client.Reader()
    with pytest.raises(ConnectionError, match="without an end"):
        list(itertools.chain.from_iterable(reader.feed(b"x" * 65_536) for _ in range(100)))
