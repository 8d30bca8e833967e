"""What is written from the chart, or copied into it, is as it should be; and the Kustomize bases build."""

import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import CHART, ROOT, bridge_of, documents, helm, kinds, one, rendered_set
from tests.chart.schemas import complaints, versions

MODES = ["gateway", "companion"]


def built(folder: Path) -> str:
    """Build a kustomization."""
    done = subprocess.run([helm().parent / "kustomize", "build", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_chart_installs_the_version_of_the_tree() -> None:
    """Whoever raises one raises the other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == project["version"]


@pytest.mark.parametrize("script", ["chart-readme", "manifests"])
def test_what_is_written_is_up_to_date(script: str) -> None:
    """Whoever changes the chart, the alerts or the dashboard runs the script."""
    done = subprocess.run([ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_chart_has_the_alerts_and_the_dashboard_of_the_tree() -> None:
    """To the letter."""
    for origin, copy in (("prometheus/alerts.yaml", "alerts.yaml"), ("grafana/sse-bridge.json", "dashboard.json")):
        assert (ROOT / "deploy" / origin).read_bytes() == (CHART / "files" / copy).read_bytes()


def test_the_rules_of_the_chart_are_those_alerts() -> None:
    """All groups, unchanged: nothing in them is a template of Helm's."""
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))
    assert one(rendered_set("gateway-full"), "PrometheusRule")["spec"] == alerts


def test_the_dashboard_is_what_grafana_takes_in() -> None:
    """A file of JSON, under the label that its sidecar looks for."""
    found = one(rendered_set("gateway-full"), "ConfigMap", "events-sse-bridge-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert yaml.safe_load(found["data"]["sse-bridge.json"])["title"]


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("mode", MODES)
def test_plain_manifests_are_right(mode: str, version: str) -> None:
    """They have what the chart renders, but nothing of Helm."""
    text = (ROOT / f"deploy/manifests/{mode}.yaml").read_text("utf-8")
    found = documents(text)
    assert [words for document in found for words in complaints(document, version)] == []
    assert "elm" not in text.partition("\n")[2]
    assert "Deployment" in kinds(found)


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("mode", MODES)
def test_kustomize_bases_build(mode: str, version: str) -> None:
    """And are right, with the configuration from its own file."""
    found = documents(built(ROOT / "deploy/kustomize" / mode))
    assert [words for document in found for words in complaints(document, version)] == []
    text = one(found, "ConfigMap")["data"]["routes.yaml"]
    assert text == (ROOT / "deploy/kustomize" / mode / "routes.yaml").read_text("utf-8")


@pytest.mark.parametrize("mode", MODES)
def test_kustomize_and_plain_manifests_are_the_same(mode: str) -> None:
    """But for the order, and the application's image that one of them names."""
    plain = documents((ROOT / f"deploy/manifests/{mode}.yaml").read_text("utf-8"))
    base = documents(built(ROOT / "deploy/kustomize" / mode).replace("ghcr.io/example/application:", "application:"))
    assert kinds(plain) == kinds(base)
    for document in plain:
        # What kustomize makes of a file has no labels.
        if document["kind"] != "ConfigMap":
            assert one(base, document["kind"]) == document


def test_an_overlay_changes_image_and_routes(tmp_path: Path) -> None:
    """As its user would: another tag, other routes, and the name of the ConfigMap stays."""
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    base = tmp_path / "base"
    subprocess.run(["cp", "-r", ROOT / "deploy/kustomize/gateway", base], check=True)
    (overlay / "routes.yaml").write_text("version: 1\n", "utf-8")
    overlaid = {
        "resources": ["../base"],
        "images": [{"name": "ghcr.io/sse-bridge/sse-bridge", "newTag": "9"}],
        "configMapGenerator": [{"name": "sse-bridge-routes", "behavior": "replace", "files": ["routes.yaml"]}],
        "generatorOptions": {"disableNameSuffixHash": True},
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(overlaid), "utf-8")
    found = documents(built(overlay))
    assert bridge_of(one(found, "Deployment"))["image"] == "ghcr.io/sse-bridge/sse-bridge:9"
    assert one(found, "ConfigMap")["data"] == {"routes.yaml": "version: 1\n"}
    volumes = one(found, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "sse-bridge-routes", "configMap": {"name": "sse-bridge-routes"}} in volumes
