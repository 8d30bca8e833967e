"""A release lives: it is installed, changed, taken back and removed, in a namespace of the strictest level."""

from pathlib import Path
from typing import Any, Final

import pytest

from tests.chart.rendering import EXAMPLE
from tests.cluster.control_plane import Cluster, until
from tests.cluster.releases import Release, with_dependencies

ROUTES: Final[dict[str, Any]] = {
    "version": 1,
    "auth": "anonymous",
    "sources": {"clock": {"kind": "timer", "every": "1s", "payload": "{time}"}},
    "routes": {"/clock": {"from": "clock"}},
}
CHANGED: Final = ROUTES | {"routes": {"/clock": {"from": "clock"}, "/time": {"from": "clock"}}}

#: An application that is nobody's: the node runs nothing.
COMPANION: Final = {"mode": "companion", "companion": {"image": {"repository": "registry.test/shop", "tag": "1"}}}

#: Every way in which the chart runs a pod.
MODES: Final = {
    "gateway": {},
    "gateway with state": {"state": {"enabled": True}},
    "companion, native": COMPANION,
    "companion, plain": COMPANION | {"sidecar": {"native": False}},
    "companion with logs and state": COMPANION | {"logs": {"enabled": True}, "state": {"enabled": True}},
}


@pytest.fixture
def release(cluster: Cluster, namespace: str) -> Release:
    """Give a release of the chart that is yet to be installed."""
    return Release(cluster, namespace)


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
def test_a_release_changes_its_routes_and_leaves_nothing(release: Release, values: dict[str, Any]) -> None:
    """Install, upgrade and roll back touch the ConfigMap, never a pod; uninstall removes all that install made."""
    release.install(**values, routes=ROUTES)
    before, pods = release.routes, release.pods
    assert "/time" not in before
    assert len(pods) == 1

    release.upgrade(**values, routes=CHANGED)
    assert "/time" in release.routes
    assert release.pods == pods

    release.rollback()
    assert release.routes == before
    assert release.pods == pods

    release.uninstall()
    # What was to outlive a restart is the user's to delete.
    kept = {each for each in release.contents if each.startswith("persistentvolumeclaim/")}
    assert bool(kept) == values.get("state", {}).get("enabled", False)
    until(lambda: not release.contents - kept, f"all but {kept} of {release.contents} is gone")


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
def test_a_restart_on_a_change_of_routes_replaces_the_pods(release: Release, values: dict[str, Any]) -> None:
    """`reload.restart` does what it says; one that keeps its place finds its claim again."""
    release.install(**values, reload={"restart": True}, routes=ROUTES)
    pods = release.pods
    release.upgrade(**values, reload={"restart": True}, routes=CHANGED)
    until(lambda: len(release.pods) == 1 and not release.pods.items() & pods.items(), f"{pods} are replaced")


def test_a_pod_without_a_folder_of_its_own_is_replaced_before_it_goes(release: Release) -> None:
    """A new image rolls out with one pod more, never one fewer."""
    release.install(routes=ROUTES)
    strategy = release.one("deployments")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    pods = release.pods
    release.upgrade(routes=ROUTES, image={"tag": "9.9.9"})
    until(lambda: len(release.pods) == 1 and not release.pods.items() & pods.items(), f"{pods} are replaced")


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
def test_a_service_leads_to_the_bridge_wherever_it_runs(release: Release, values: dict[str, Any]) -> None:
    """A port's name is found in a container and in a native sidecar."""
    monitor = {"metrics": {"serviceMonitor": {"enabled": True}}}
    release.install(**values, **monitor, routes=ROUTES)
    release.leads("trial-sse-bridge", http=(8080, 1))
    release.leads("trial-sse-bridge-pods", health=(9091, 1))


def test_a_budget_counts_the_pods(release: Release) -> None:
    """The budget's selector is that of the pods."""
    release.install(replicas=3)
    until(lambda: release.one("poddisruptionbudgets")["status"].get("expectedPods") == 3, "the budget counts three")
    assert release.one("poddisruptionbudgets")["status"]["disruptionsAllowed"] == 1


@pytest.mark.parametrize(
    "values", [{}, {"state": {"enabled": True}}, COMPANION], ids=["gateway", "with state", "companion"]
)
def test_an_autoscaler_scales_its_workload(release: Release, values: dict[str, Any]) -> None:
    """The autoscaler names its workload: at once there are as many pods as it wants at least."""
    scaling = {"enabled": True, "min": 2, "max": 4, "cpu": 70, "streams": 500}
    release.install(**values, autoscaling=scaling)
    until(lambda: len(release.pods) == 2, "there are two pods")
    # Nobody measures here, so more than that it cannot know.
    conditions = {each["type"]: each for each in release.one("horizontalpodautoscalers")["status"]["conditions"]}
    assert conditions["AbleToScale"]["status"] == "True"


def test_no_pod_has_a_token(release: Release) -> None:
    """The API server, which adds a token to whoever does not refuse, adds none."""
    release.install()
    (pod,) = release.get("pods")
    assert pod["spec"]["serviceAccountName"] == "trial-sse-bridge"
    assert not any("projected" in volume for volume in pod["spec"]["volumes"])


@pytest.mark.parametrize("native", [True, False], ids=["native", "plain"])
def test_a_chart_that_includes_the_sidecar_lives_as_well(
    cluster: Cluster, namespace: str, tmp_path: Path, *, native: bool
) -> None:
    """The example of a user's chart: its pods have the bridge, a service leads there, their routes change."""
    release = Release(cluster, namespace, with_dependencies(cluster, EXAMPLE, tmp_path))
    sidecar = {"native": native}
    release.install(**{"sse-bridge": {"sidecar": sidecar}})
    pods = release.pods
    assert len(pods) == 2
    for pod in release.get("pods"):
        holders = {each["name"]: key for key in ("initContainers", "containers") for each in pod["spec"].get(key, [])}
        assert holders == {"application": "containers", "sse-bridge": "initContainers" if native else "containers"}
    release.leads("trial-sse-bridge", http=(8080, 2))

    release.upgrade(**{"sse-bridge": {"sidecar": sidecar, "routes": CHANGED}})
    assert "/time" in release.routes
    assert release.pods == pods

    release.uninstall()
    until(lambda: not release.contents, f"all of {release.contents} is gone")


def test_two_releases_live_in_one_namespace(release: Release) -> None:
    """No name and no selector is shared."""
    other = Release(release.cluster, release.namespace, name="other")
    release.install(replicas=2)
    other.install()
    release.leads("trial-sse-bridge", http=(8080, 2))
    other.leads("other-sse-bridge", http=(8080, 1))
    other.uninstall()
    assert len(release.pods) == 2


def test_helm_test_is_admitted(release: Release) -> None:
    """The pod that subscribes may run in a namespace of the strictest level."""
    release.install()
    assert "Succeeded" in release.test()


def test_a_pod_that_breaks_the_level_is_not_admitted(release: Release) -> None:
    """The namespace would tell a pod that asks for too much: what is installed above asks for nothing."""
    release.cluster.helm(
        "install",
        "trial",
        str(release.chart),
        f"--namespace={release.namespace}",
        "--set=securityContext.runAsUser=0",
        "--set=securityContext.runAsNonRoot=false",
    )
    told = lambda: [each["message"] for each in release.get("events") if each["reason"] == "FailedCreate"]  # noqa: E731
    until(told, "a pod is refused")
    assert 'violates PodSecurity "restricted:latest"' in told()[0]
    assert not release.pods
