"""The API server takes all that the tree can make: strictly validated, its pods admitted at the strictest level."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.chart.rendering import CHART, EXAMPLE, ROOT, SETS
from tests.cluster.conftest import RESTRICTED
from tests.cluster.control_plane import Cluster
from tests.cluster.releases import pods_of, with_dependencies

NAMESPACE: Final = "validated"

MANIFESTS: Final = sorted((ROOT / "deploy/manifests").glob("*.yaml"))
BASES: Final = sorted(file.parent for file in (ROOT / "deploy/kustomize").glob("*/kustomization.yaml"))


def _name(path: Path) -> str:
    return path.name


@pytest.fixture(scope="module", autouse=True)
def namespace(cluster: Cluster) -> Iterator[None]:
    """Make the namespace that all is validated for, and what some sets of values name."""
    cluster.make_namespace("istio-system")
    cluster.make_namespace(NAMESPACE, **RESTRICTED)
    cluster.create(
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1}
    )
    yield
    cluster.drop_namespace(NAMESPACE)


def _is_taken(cluster: Cluster, manifest: str) -> None:
    """Have a manifest validated, and a pod of each workload in it admitted; the server may not even warn."""
    assert [document for document in yaml.safe_load_all(manifest) if document]
    pods = "\n---\n".join(map(json.dumps, pods_of(manifest)))
    done = cluster.dry_run(f"{manifest}\n---\n{pods}\n", NAMESPACE)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_values_make_what_the_server_takes(cluster: Cluster, values: Path) -> None:
    """Each set of values, hooks and custom kinds too."""
    _is_taken(cluster, cluster.render(CHART, f"--values={values}", namespace=NAMESPACE))


@pytest.mark.parametrize("native", [True, False], ids=["native", "plain"])
def test_a_chart_that_includes_the_sidecar_makes_what_the_server_takes(
    cluster: Cluster, tmp_path: Path, *, native: bool
) -> None:
    """The example of a user's chart, both ways."""
    chart = with_dependencies(cluster, EXAMPLE, tmp_path)
    setting = f"--set=sse-bridge.sidecar.native={json.dumps(native)}"
    _is_taken(cluster, cluster.render(chart, setting, namespace=NAMESPACE))


@pytest.mark.parametrize("file", MANIFESTS, ids=_name)
def test_plain_manifests_are_taken(cluster: Cluster, file: Path) -> None:
    """What those without Helm apply."""
    _is_taken(cluster, file.read_text("utf-8"))


@pytest.mark.parametrize("base", BASES, ids=_name)
def test_kustomize_bases_are_taken(cluster: Cluster, base: Path) -> None:
    """What kubectl's kustomize makes of each base."""
    _is_taken(cluster, cluster.kubectl("kustomize", str(base)))


def test_something_is_validated() -> None:
    """An empty list of files would pass as well."""
    assert SETS
    assert MANIFESTS
    assert BASES


@pytest.mark.parametrize(
    "broken", ["securityContext.allowPrivilegeEscalation=true", "podSecurityContext.seccompProfile=null"]
)
def test_values_that_ask_for_too_much_are_refused(cluster: Cluster, broken: str) -> None:
    """The same check bites."""
    # What the pod does not say its containers may, so both are broken.
    settings = [f"--set={broken}", "--set=securityContext.seccompProfile=null"]
    manifest = cluster.render(CHART, *settings, namespace=NAMESPACE)
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        _is_taken(cluster, manifest)
