"""Names and paths, looked up in an event."""

import orjson
import pytest
from hypothesis import given, strategies as st

from bridge.expression import Scope, find, looks_inside
from tests.hub import event

DATA = {
    "id": 7,
    "name": "x",
    "yes": True,
    "no": False,
    "none": None,
    "pi": 3.25,
    "map": {},
    "list": [],
    "items": [{"id": "a"}, "b", [1, 2]],
    "7": "digit",
    "deep": {"er": {"est": "found"}},
    "": "empty",
    "big": 1e22,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *(("data.id", "7"), ("data.name", "x"), ("data.yes", "true"), ("data.no", "false"), ("data.pi", "3.25")),
        *(("data.none", None), ("data.map", None), ("data.list", None), ("data.missing", None), ("data.big", "1e+22")),
        *(("data.items.0.id", "a"), ("data.items.1", "b"), ("data.items.2.1", "2"), ("data.items.3", None)),
        *(("data.items.-1", None), ("data.items.x", None), ("data.items.\u0660", None), ("data.items.²", None)),
        *(("data.items.9999999999", None), ("data.items." + "9" * 5_000, None), ("data.items.00", None)),
        *(("data.7", "digit"), ("data.deep.er.est", "found"), ("data.deep.er.est.more", None), ("data.", "empty")),
        *(("headers.region", "eu"), ("headers.x.y", "dotted"), ("headers.missing", None), ("headers", "captured")),
        *(
            ("key", "k"),
            ("subject", "doc"),
            ("data", "captured"),
            ("file", "captured"),
            ("line", "3"),
            ("nobody", None),
        ),
    ],
)
def test_a_path_finds_a_scalar_or_nothing(path, expected):
    """Numbers and booleans as JSON writes them; captures beat facts."""
    found = find(path)(
        event(
            data=DATA,
            key="k",
            subject="doc",
            headers={"region": "eu", "x.y": "dotted"},
            captures={"file": "captured", "data": "captured", "headers": "captured"},
            facts={"file": "fact", "line": 3},
        )
    )
    if path == "data.items.00":
        assert found == find("data.items.0")(event(data=DATA))
    else:
        assert found == expected


json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("a01"), inner, max_size=3),
    max_leaves=8,
)


@given(path=st.text("a01.", max_size=6) | st.text(max_size=9), data=json)
def test_any_path_over_any_data_is_text_or_nothing(path, data):
    """Nothing is raised for what a message holds."""
    for each in (path, f"data.{path}", f"headers.{path}"):
        found = find(each)(event(data=data))
        assert found is None or isinstance(found, str)


def test_only_paths_into_the_data_need_it_parsed():
    """A name may begin with the same letters."""
    assert looks_inside("data.a")
    assert not any(map(looks_inside, ["data", "database", "headers.data", "key"]))


def test_a_scope_has_the_captures_and_the_facts():
    """A name that is neither is a `KeyError`, as `Template.fill` wants it."""
    scope = Scope(event(captures={"a": "capture", "b": ""}, facts={"a": "fact", "line": 3, "b": "fact"}))
    assert (scope["a"], scope["line"], scope["b"]) == ("capture", 3, "")
    with pytest.raises(KeyError):
        scope["nobody"]


def test_numbers_read_as_json_writes_them():
    """So a key of 1 and a key of "1" are one, and 1.0 is another."""
    keys = [find("data.k")(event(data=orjson.loads(text))) for text in ('{"k":1}', '{"k":"1"}', '{"k":1.0}')]
    assert keys == ["1", "1", "1.0"]
