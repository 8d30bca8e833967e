"""What the documentation names exists: metrics, keys of routes.yaml, values of the chart, lines of the log, alerts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from bridge.config.model import Config
from bridge.metrics.catalogue import FOREIGN, SECTIONS
from tests.docs.pages import PAGES, ROOT, anchors, name, prose, quoted

OPERATIONS = ROOT / "docs/operations.md"
ALERTS = ROOT / "docs/alerts.md"

#: Words in backticks that look like a line of the log, and are an answer of ours, or somebody else's.
OTHERS = {
    "another client connected under the same client id",
    "kubectl describe pod",
    "no route has this address",
    "too many open files",
    "walking instead",
}


def series() -> set[str]:
    """Return the names of all metrics, those of their samples included."""
    found = set(FOREIGN)
    for section in SECTIONS:
        for metric in section.metrics:
            parts = ("", "_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
            found |= {metric.sample} | {metric.family + part for part in parts}
    return found


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from models(each)


def is_key(owner: type[BaseModel], path: list[str]) -> bool:
    """Tell whether a model has a key, and what it holds the rest of the path."""
    first, *rest = path
    fields = {field.alias or key: field for key, field in owner.model_fields.items()}
    if first not in fields:
        return False
    return not rest or any(is_key(model, rest) for model in models(fields[first].annotation))


def has(values: Any, path: list[str]) -> bool:
    """Tell whether the chart's values have a key; what they leave empty may hold any."""
    first, *rest = path
    return values == {} or (isinstance(values, dict) and first in values and (not rest or has(values[first], rest)))


def spoken(text: str) -> set[str]:
    """Return what looks like a line of the log: words, in backticks."""
    return set(re.findall(r"`([a-z]+(?: [a-z]+)+)`", text)) - OTHERS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_metrics_that_are_named_are_told(page):
    """By their whole names; an ellipsis or a star stands for the rest."""
    named = re.findall(r"\b((?:sse_bridge|process)_[a-z_]*[a-z])\b(?![_*…])", prose(page))
    assert set(named) - series() == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_keys_that_are_named_are_of_the_language(page):
    """`server.x`, `limits.x` and `defaults.x`, at any depth."""
    named = [
        found[1].split(".")
        for text in quoted(page)
        if (found := re.match(r"((?:server|limits|defaults)(?:\.[a-z_]+)+)", text)) and "{{" not in text
    ]
    assert [".".join(path) for path in named if not is_key(Config, path)] == []


@pytest.mark.parametrize("page", [OPERATIONS, ROOT / "helm/sse-bridge/README.md"], ids=name)
def test_values_that_are_named_are_of_the_chart(page):
    """What begins with a key of values.yaml and is none of routes.yaml."""
    values = yaml.safe_load((ROOT / "helm/sse-bridge/values.yaml").read_text("utf-8"))
    [server] = models(Config.model_fields["server"].annotation)
    named = [
        found[1].split(".")
        for text in quoted(page)
        if (found := re.match(r"([a-zA-Z]+(?:\.[a-zA-Z]+)+)", text))
        and found[1].partition(".")[0] in values
        and found[1] != "routes.yaml"
    ]
    assert named
    assert [".".join(path) for path in named if not has(values, path) and not is_key(server, path)] == []


@pytest.mark.parametrize("page", [OPERATIONS, ALERTS], ids=name)
def test_lines_of_the_log_that_are_named_are_written(page):
    """As docs/logs.md has them, which is held to the code."""
    text = (ROOT / "docs/logs.md").read_text("utf-8")
    written = set(re.findall(r"^\| `{1,2}(.+?)`{1,2} \|", text, re.MULTILINE))
    assert spoken(page.read_text("utf-8")) - written == set()


def test_each_alert_has_its_part_of_the_page():
    """Where its annotation `runbook_url` leads."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert rules
    for rule in rules:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert Path(page).name == ALERTS.name
        assert anchor in anchors(ALERTS), rule["alert"]
        assert anchor == rule["alert"].lower()


def test_each_module_is_on_the_map():
    """The table of docs/architecture.md names each module and package of the program, and none that is not there."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (`.+?) \| ", text.partition("## What is where")[2].partition("Imports point")[0], re.MULTILINE
    )
    named = {part.rstrip("/") for row in rows for part in re.findall(r"`([\w/]+)`", row)}
    there = {path.stem for path in (ROOT / "bridge").iterdir() if not path.name.startswith("__")}
    assert there - named == set()
    parts = {part: ROOT / "bridge" / part for part in named}
    assert [part for part, at in parts.items() if not at.is_dir() and not at.with_suffix(".py").exists()] == []
