"""The chart, as Helm renders it."""

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm/sse-bridge"
EXAMPLE: Final = ROOT / "helm/examples/app-with-sidecar"
SETS: Final = {file.stem: file for file in sorted((Path(__file__).parent / "values").glob("*.yaml"))}

RELEASE: Final = "events"
NAMESPACE: Final = "streams"

#: What is rendered, kind by kind.
Documents = list[dict[str, Any]]


@cache
def helm() -> Path:
    """Return where Helm is; built if it is not there."""
    made = subprocess.run([ROOT / "scripts/helm"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.strip())


def run(*arguments: str | Path, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm with values on its standard input."""
    given = ["--values=-"] if values is not None else []
    text = yaml.safe_dump(dict(values or {}))
    return subprocess.run(
        [helm(), *arguments, *given], input=text, capture_output=True, text=True, check=False, timeout=60
    )


def text_of(values: Mapping[str, Any], *, chart: Path = CHART) -> str:
    """Render to text."""
    done = run("template", RELEASE, chart, f"--namespace={NAMESPACE}", values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> Documents:
    """Read what was rendered."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def render(values: Mapping[str, Any], *, chart: Path = CHART) -> Documents:
    """Render to documents."""
    return documents(text_of(values, chart=chart))


def refusal(values: Mapping[str, Any]) -> str:
    """Return what Helm says of values that are wrong."""
    done = run("template", RELEASE, CHART, values=values)
    assert done.returncode != 0, "Helm takes them"
    return done.stderr


@cache
def value_set(name: str) -> dict[str, Any]:
    """Read one of the sets in values/."""
    return yaml.safe_load(SETS[name].read_text("utf-8")) or {}


@cache
def rendered_set(name: str) -> Documents:
    """Render one of the sets."""
    return render(value_set(name))


def one(found: Documents, kind: str, name: str | None = None) -> dict[str, Any]:
    """Return the one document of a kind (and name)."""
    fitting = [
        document
        for document in found
        if document["kind"] == kind and (name is None or document["metadata"]["name"] == name)
    ]
    assert len(fitting) == 1, [(document["kind"], document["metadata"]["name"]) for document in found]
    return fitting[0]


def kinds(found: Documents) -> list[str]:
    """Return what there is, in order of the alphabet."""
    return sorted(document["kind"] for document in found)


def bridge_of(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the bridge's container in a workload."""
    pod = workload["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    return next(container for container in containers if container["name"] == "sse-bridge")
