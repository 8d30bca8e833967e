"""The keys of the file source: what is accepted, what is refused and in which words."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.sources.file import File, Last, Lines


def test_one_file_or_a_folder() -> None:
    """Both forms lead to a folder and a template beneath it."""
    one = File.model_validate({"path": "./logs/app.log"})
    assert (one.folder, one.template.text, one.names()) == (Path("logs"), "app.log", frozenset())
    tree = File.model_validate({"root": "/var/log", "match": "{service}/{file}.log"})
    assert (tree.folder, tree.names()) == (Path("/var/log"), {"service", "file"})
    assert tree.facts() == {"file", "offset", "line"}


def test_braces_in_a_single_files_name_are_its_own() -> None:
    """A file may be called anything."""
    assert File.model_validate({"path": "a{b}.log"}).template.match("a{b}.log") == {}


def test_every_key_in_its_yaml_form() -> None:
    """Durations and sizes have units; a choice is a word or a mapping of one key."""
    source = File.model_validate(
        {
            "root": "logs",
            "match": "{path*}.log",
            "begin": {"last": 10},
            "lines": {"max": "64KiB", "over": "skip", "flush": "250ms", "start": r"^\d", "indent": True},
            "poll": "5s",
        }
    )
    assert source.begin == Last(last=10)
    assert source.lines == Lines(max="64KiB", over="skip", flush="250ms", start=r"^\d", indent=True)  # type: ignore[arg-type]
    assert source.poll == 5.0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "either `path`, or `root` with `match`"),
        ({"path": "a", "root": "b", "match": "c"}, "either `path`, or `root` with `match`"),
        ({"root": "b"}, "belong together, for example match: '{file}.log'"),
        ({"path": "a", "match": "c"}, "belong together"),
        ({"path": "/"}, "`path` is one file"),
        ({"path": ""}, "path"),
        ({"path": 7}, "path"),
        ({"root": "b", "match": "/c"}, "without '..'"),
        ({"root": "b", "match": "../c"}, "without '..'"),
        ({"root": "b", "match": "a//c"}, "without '..'"),
        ({"root": "b", "match": ""}, "without '..'"),
        ({"root": "b", "match": "{a}{b}"}, "two holes touch: put a text between them (column 4)"),
        ({"path": "a", "begin": "middle"}, "begin"),
        ({"path": "a", "begin": {"last": 0}}, "greater than or equal to 1"),
        ({"path": "a", "lines": {"max": "1B"}}, "a size of 16B to 16MiB"),
        ({"path": "a", "lines": {"max": "1GiB"}}, "a size of 16B to 16MiB"),
        ({"path": "a", "lines": {"flush": "0s"}}, "a duration of 10ms to 1h"),
        ({"path": "a", "lines": {"start": "("}}, "expected a regular expression: missing )"),
        ({"path": "a", "lines": {"start": "a{1000}{1000}"}}, "expected a regular expression"),
        ({"path": "a", "lines": {"strat": "x"}}, "Extra inputs"),
        ({"path": "a", "poll": "0s"}, "a duration of 50ms to 1h"),
        ({"path": "a", "poll": 1}, "expected a duration with a unit"),
    ],
)
def test_wrong_keys_are_refused_in_words(keys: dict[str, object], words: str) -> None:
    """Each error says what was expected."""
    with pytest.raises(ValidationError) as raised:
        File.model_validate(keys)
    assert words in str(raised.value)


def test_every_key_has_a_description_and_an_example() -> None:
    """The reference and the schema are made of them."""
    for model in (File, Lines, Last):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert field.examples, name
    assert File.model_json_schema()
