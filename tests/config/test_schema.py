"""The JSON Schema."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bad_config import cases

from bridge.config.load import load
from bridge.config.model import Limits, Policy, RouteKeys, Server, SourceKeys
from bridge.config.parse import parse
from bridge.config.problems import Problems
from bridge.config.schema import name_of, schema
from bridge.config.validate import models_of
from bridge.errors import ConfigError
from bridge.sources import KINDS

ROOT = Path(__file__).parents[2]
FILES = [
    ROOT / "config" / "routes.yaml",
    ROOT / "bridge" / "demo" / "routes.yaml",
    *(ROOT / "config").glob("examples/*.yaml"),
]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Return what checks a document."""
    document = schema()
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def plain(text: str) -> Any:
    """Return a text as an editor sees it: with its variables."""
    return parse(text.replace("${", "$${"), "routes.yaml", {}, Problems()).plain()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_our_own_files_agree_with_it(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    """An editor shows no error in the file to start from, nor in an example."""
    assert [error.message for error in validator.iter_errors(plain(path.read_text("utf-8")))] == []


@pytest.mark.parametrize(
    "text",
    [
        "x-own: { any: [thing] }",
        "server:\nsources:\n  # nothing yet\n",
        "defaults: { heartbeat: none, retry: { exact: 5s }, start: { last: 5 }, cors: none, history: { age: 1h30m } }",
        "limits: { subscribers: '${MOST}', memory: '${MEMORY:-1MiB}', connects: 100/s }",
        "profiles: { a: { kind: timer, every: 1s }, b: { start: snapshot } }\nsources: { c: { use: a } }",
        "sources: { c: { kind: timer, use: [a, b] } }",
        "routes: { /a: { from: [a, { source: b, event: c }], list: /x, use: [p], x-note: mine } }",
        "sources: { c: { kind: push, token: { env: X }, bind: { a: b }, capture: { d: data.e } } }",
    ],
)
def test_what_the_language_allows_agrees_with_it(text: str, validator: jsonschema.Draft202012Validator) -> None:
    """Short forms, `none`, variables, profiles and keys of one's own are no errors."""
    assert [error.message for error in validator.iter_errors(plain(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "srever: {}",
        "server: { listen: 8080 }",
        "limits: { memory: 5 }",
        "routes: { /a: { from: a, evnt: b } }",
        "routes: { /a: { from: a, slow: conflate } }",
        "sources: { a: { kind: mqtt } }",
        "sources: { a: { every: 1s } }",
        "sources: { a: { kind: push, token: plain } }",
        "sources: { a: { kind: timer, subject: x } }",
    ],
)
def test_what_the_loader_refuses_an_editor_marks(text: str, validator: jsonschema.Draft202012Validator) -> None:
    """Unknown keys, wrong shapes and what is not built yet are seen while typing."""
    assert not validator.is_valid(plain(text))


def test_it_marks_nothing_that_loads(validator: jsonschema.Draft202012Validator, tmp_path: Path) -> None:
    """Of all bad configurations, none that the schema refuses is one that the loader accepts."""
    for case in (*cases.ROUTES, *cases.SERVER, *cases.KEYS):
        file = tmp_path / "routes.yaml"
        file.write_bytes(case.content)
        if not validator.is_valid(plain(case.content.decode())):
            with pytest.raises(ConfigError):
                load(file, {})


MODELS = [Server, Limits, Policy, RouteKeys, SourceKeys, *KINDS.values()]
ALL = [*MODELS, *(inner for model in MODELS for inner in models_of(model))]


@pytest.mark.parametrize("model", ALL, ids=name_of)
def test_every_option_has_a_description_and_an_example(model: Any) -> None:
    """What is not explained is not done: each key says what it is for, and shows a value where that helps."""
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name}"
        assert re.match("[A-Z`]", field.description), f"{model.__name__}.{name}"
        assert field.description.endswith("."), f"{model.__name__}.{name}"
