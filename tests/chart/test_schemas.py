"""What is rendered is what Kubernetes takes, for each set of values in values/."""

from pathlib import Path

import pytest

from tests.chart.rendering import CHART, SETS, kinds, render, rendered_set, run, value_set
from tests.chart.schemas import complaints, is_own, versions

#: Kinds that are not Kubernetes' own; each has a schema from the Go module of its project, so none is only rendered.
CUSTOM = {
    "ServiceMonitor",
    "PrometheusRule",
    "HTTPRoute",
    "VirtualService",
    "EnvoyFilter",
    "IngressRoute",
    "Middleware",
}


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_complain_of(name: str) -> None:
    """`helm lint --strict` passes."""
    done = run("lint", "--strict", CHART, values=value_set(name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("name", SETS)
def test_no_field_is_unknown_or_wrong(name: str, version: str) -> None:
    """The strict schemas, which refuse unknown fields, have nothing against any document."""
    assert [words for document in rendered_set(name) for words in complaints(document, version)] == []


def test_three_versions_of_kubernetes_are_looked_at() -> None:
    """The newest three that there are schemas for."""
    assert len(versions()) == 3


def test_a_package_of_the_chart_renders_the_same(tmp_path: Path) -> None:
    """Nothing that a template reads is left out of it."""
    done = run("package", CHART, f"--destination={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    (package,) = tmp_path.iterdir()
    assert render(value_set("ingress-nginx"), chart=package) == rendered_set("ingress-nginx")


def test_there_are_a_dozen_sets_and_more() -> None:
    """All modes, all presets, and the corners of each."""
    assert len(SETS) >= 12


def test_every_custom_kind_is_in_some_set() -> None:
    """So each is held against its schema."""
    found = {document["kind"] for name in SETS for document in rendered_set(name) if not is_own(document)}
    assert found == CUSTOM


def test_every_set_makes_something() -> None:
    """A mode that renders nothing at all would pass every schema."""
    assert all(kinds(rendered_set(name)) for name in SETS)


def test_schemas_refuse_what_is_wrong() -> None:
    """A check that refuses nothing proves nothing."""
    version = versions()[-1]
    for name, path in (
        ("gateway", "Deployment"),
        ("gateway-full", "ServiceMonitor"),
        ("ingress-traefik", "Middleware"),
    ):
        document = next(one for one in rendered_set(name) if one["kind"] == path)
        assert complaints({**document, "spec": {**document["spec"], "wrong": 1}}, version)
