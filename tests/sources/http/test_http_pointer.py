"""JSON Pointers."""

import pytest

from bridge.sources.http.pointer import Pointer, resolve

#: The examples of RFC 6901, section 5.
DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_rfc_resolve(text, value):
    """All twelve."""
    assert resolve(DOCUMENT, Pointer.parse(text).parts) == value


@pytest.mark.parametrize("text", ["/foo/2", "/foo/00", "/foo/-1", "/foo/-", "/foo/x", "/foo/0/1", "/bar", "/foo/1e0"])
def test_what_is_not_there_is_told(text):
    """A list has no index with a sign or a leading zero."""
    with pytest.raises(LookupError):
        resolve(DOCUMENT, Pointer.parse(text).parts)


@pytest.mark.parametrize("text", ["foo", "/a~", "/a~2b", "#/foo", "/a" * 65])
def test_what_is_no_pointer_is_refused(text):
    """In words."""
    with pytest.raises(ValueError, match="JSON Pointer"):
        Pointer.parse(text)


def test_a_tilde_before_a_one_is_read_in_the_order_of_the_rfc():
    """~01 is ~1, not a slash."""
    assert Pointer.parse("/~01").parts == ("~1",)
