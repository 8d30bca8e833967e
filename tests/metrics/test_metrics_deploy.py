"""The dashboard, the alerts and their page name metrics and labels that there are, and each other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.metrics.catalogue import FOREIGN, SECTIONS
from bridge.metrics.metric import PREFIX

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "sse-bridge.json"
PAGE = ROOT / "docs" / "alerts.md"

#: What stands for these in a query of the dashboard.
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*", "$route": ".*"}

#: Labels that Prometheus adds.
ADDED = {"job", "instance", "le"}


def samples() -> dict[str, set[str]]:
    """Return each series' name, and its labels."""
    found: dict[str, set[str]] = {name: set() for name in FOREIGN}
    for section in SECTIONS:
        for metric in section.metrics:
            labels = {section.label, metric.label} - {""}
            names = [metric.sample]
            if metric.kind == "histogram":
                names += [f"{metric.family}_count", f"{metric.family}_sum"]
            found |= dict.fromkeys(names, labels)
    return found


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    document = yaml.safe_load(ALERTS.read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    """Yield the dashboard's panels that ask something."""
    document = json.loads(DASHBOARD.read_text("utf-8"))
    yield from (panel for panel in document["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    """Return the dashboard's queries, as Prometheus gets them."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [query.replace(name, value) for query in found]
    return found


@pytest.mark.parametrize("expression", [*queries(), *(rule["expr"] for rule in rules())])
def test_what_is_asked_for_is_there(expression: str) -> None:
    """Each metric is in the catalogue, and has the labels that are asked of it."""
    known = samples()
    assert "$" not in expression
    for name, selector in re.findall(rf"\b({PREFIX}\w+|process_\w+)(?:\{{([^}}]*)\}})?", expression):
        assert name in known
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= known[name] | ADDED
    everything = set[str]().union(*known.values()) | ADDED
    for labels in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", labels)) <= everything


def texts() -> list[Path]:
    """Return what tells people of metrics."""
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "helm").rglob("*.md"))]


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_names_a_metric_that_there_is_not(path: Path) -> None:
    """A name that a reader copies is one that answers; `…_*` stands for several."""
    known = samples()
    families = {f"{PREFIX}{metric.name}" for section in SECTIONS for metric in section.metrics}
    for name in re.findall(rf"\b{PREFIX}[a-z_]+[a-z](?!\w|\*|_\*)", path.read_text("utf-8")):
        assert name in known or name in families, name


def test_the_dashboard_shows_every_metric_that_is_ours() -> None:
    """Nobody has to look for one by hand; limits and infos that only help to read others are left out."""
    shown = " ".join(queries())
    known = {name for name in samples() if name.startswith(PREFIX)}
    missing = {name for name in known if not re.search(rf"\b{name}\b", shown)}
    helpers = {"workers", "draining", "source_info", "route_source_info", "source_subscribers"}
    helpers |= {"source_state_since_timestamp_seconds", "source_lost_messages_total", "config_loaded_timestamp_seconds"}
    helpers |= {"route_latency_seconds_count", "route_latency_seconds_sum"}
    assert missing == {PREFIX + name for name in helpers}


def test_the_dashboard_asks_which_data_to_show() -> None:
    """It names no data source of anybody's, and no two panels lie on each other."""
    document = json.loads(DASHBOARD.read_text("utf-8"))
    assert [each["name"] for each in document["templating"]["list"]] == ["datasource", "job", "instance", "route"]
    assert document["id"] is None
    taken = set[tuple[int, int]]()
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))
    for panel in document["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels():
        assert panel["description"]
        assert {panel["datasource"]["uid"], *(each["datasource"]["uid"] for each in panel["targets"])} == {
            "${datasource}"
        }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_is_explained(rule: dict[str, Any]) -> None:
    """It has a severity and words, and leads to what is to be done."""
    name = rule["alert"]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/alerts.md#{name.lower()}")
    stanza = PAGE.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert [word for word in ("**You see:**", "**It means:**", "**Do:**") if word not in stanza] == []


def test_the_page_explains_no_alert_that_there_is_not() -> None:
    """Its headings are the alerts, in their order."""
    assert re.findall(r"^## (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE) == [rule["alert"] for rule in rules()]


def test_each_alert_is_tried() -> None:
    """Each has a case of its own, in which it keeps silent once and fires once."""
    document = yaml.safe_load(ALERTS.with_name("alerts.test.yaml").read_text("utf-8"))
    tried: dict[str, list[bool]] = {}
    for case in document["tests"]:
        for each in case.get("alert_rule_test", ()):
            tried.setdefault(each["alertname"], []).append(bool(each.get("exp_alerts")))
    assert tried == {rule["alert"]: [False, True] for rule in rules()}
