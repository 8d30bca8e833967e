"""Where each address stands, over connections, runs and restarts."""

import json

import pytest

from bridge.sources.sse import memory
from bridge.sources.sse.decoder import MAX_ID
from bridge.sources.sse.memory import NAME, Memory, fit, load, save

OSLO, BERGEN = (("city", "oslo"),), (("city", "bergen"),)


def test_each_address_has_a_cursor_of_its_own():
    """And keeps it."""
    known = Memory("http://upstream/{city}")
    known.cursor(OSLO).id = "1"
    assert known.cursor(BERGEN).id == ""
    assert known.cursor(OSLO).id == "1"


def test_ids_go_over_a_restart(tmp_path):
    """Those of this address alone: of another one they mean nothing."""
    before = Memory("http://upstream/{city}")
    before.cursor(OSLO).id = "é\u2028\t"
    before.cursor(BERGEN)
    save(tmp_path, before.ids())
    ids = load(tmp_path)
    assert ids is not None
    after, other = Memory("http://upstream/{city}"), Memory("http://elsewhere/{city}")
    after.recall(ids)
    other.recall(ids)
    assert after.cursor(OSLO).id == "é\u2028\t"
    assert after.cursor(BERGEN).id == other.cursor(OSLO).id == ""


def test_the_file_holds_no_address(tmp_path):
    """A query may hold a key."""
    known = Memory("http://upstream/{city}?key=hidden")
    known.cursor(OSLO).id = "1"
    save(tmp_path, known.ids())
    text = (tmp_path / NAME).read_text()
    assert not any(word in text for word in ("upstream", "oslo", "hidden"))
    assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_what_is_known_is_younger_than_the_file():
    """A run that follows another one in the process has both."""
    known = Memory("http://upstream/")
    known.cursor(()).id = "2"
    [key] = known.ids()
    known.recall({key: "1"})
    assert known.cursor(()).id == "2"


def test_a_start_without_a_file_is_a_first_one(tmp_path):
    """Nothing is wrong with that."""
    assert load(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b'{"version":1,"ids":{"a":"1"}',
        b'{"version":1,"ids":{"a":1}}',
        b'{"version":1,"ids":["a"]}',
        b'{"version":2,"ids":{"a":"1"}}',
        b'{"version":1,"ids":{"a":"\xff"}}',
        b'{"version":1,"ids":{"a":"1\\r\\nX-Evil: 1"}}',
        b'{"version":1,"ids":{"a":"\\u0001"}}',
        b'{"version":1,"ids":' + b"[" * 100_000,
        json.dumps({"version": 1, "ids": {"a": "x" * (MAX_ID + 1)}}).encode(),
        json.dumps({"version": 1, "ids": {str(n): "1" for n in range(memory.MAX_KEPT + 1)}}).encode(),
    ],
    ids=range(12),
)
def test_a_damaged_file_is_none(content, tmp_path):
    """No id that no upstream could have given goes into a header."""
    (tmp_path / NAME).write_bytes(content)
    assert load(tmp_path) is None


def test_a_folder_in_its_place_is_none(tmp_path):
    """Whoever put it there."""
    (tmp_path / NAME).mkdir()
    assert load(tmp_path) is None


def test_the_addresses_kept_are_bounded(monkeypatch):
    """The one that was asked for the longest ago goes; who comes after that may have missed something."""
    monkeypatch.setattr(memory, "MAX_KEPT", 2)
    known = Memory("http://upstream/{n}")
    for n in (1, 2, 1, 3):
        known.cursor((("n", str(n)),)).id = str(n)
    assert sorted(known.ids().values()) == ["1", "3"]
    assert not known.cursor((("n", "1"),)).is_due
    assert known.cursor((("n", "2"),)).is_due


def test_the_largest_file_can_be_read_again(tmp_path):
    """A thousand of the longest ids, each character escaped."""
    known = Memory("http://upstream/{n}")
    for n in range(memory.MAX_KEPT):
        known.cursor((("n", str(n)),)).id = "\t" * MAX_ID
    save(tmp_path, known.ids())
    assert load(tmp_path) == known.ids()


@pytest.mark.parametrize("id", ["a\x01", "\x7f", "\x1fa", "\n", "é" * (MAX_ID // 2 + 1)], ids=repr)
def test_an_id_that_no_header_holds_is_none(id):
    """Asked with it, our own client would refuse, again and again."""
    assert fit(id) == ""


@pytest.mark.parametrize("id", ["", "1", "a\tb", "é\u2028", "\x80", "\U0001f600", " x "])
def test_any_other_id_is_sent_back_as_it_came(id):
    """In UTF-8, as browsers do."""
    assert fit(id) == id
