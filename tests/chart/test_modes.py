"""The three modes: what runs in each, and what of it a chart of somebody's own gets."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import (
    CHART,
    EXAMPLE,
    ROOT,
    bridge_of,
    documents,
    helm,
    kinds,
    one,
    render,
    rendered_set,
    run,
)
from tests.chart.schemas import complaints, versions

#: Renders the example chart, changed by values, and by another name for the dependency.
Parent = Callable[..., list[dict[str, Any]]]

#: What may run somewhere.
RUNNING = {"Deployment", "StatefulSet", "DaemonSet", "Pod", "Job"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the example with the chart that it depends on, as `helm dependency update` puts it there."""
    root = tmp_path_factory.mktemp("charts")
    shutil.copytree(CHART, root / "sse-bridge")
    shutil.copytree(EXAMPLE, root / "examples/app-with-sidecar")
    chart = root / "examples/app-with-sidecar"
    done = subprocess.run([helm(), "dependency", "update", chart], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return chart


def bridges(found: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Name the init containers and the containers of the application's pod."""
    pod = one(found, "Deployment", "events")["spec"]["template"]["spec"]
    return [c["name"] for c in pod.get("initContainers", [])], [c["name"] for c in pod["containers"]]


def test_a_native_sidecar_is_an_init_container_that_keeps_running(app: Path) -> None:
    """It is up before the application, and ends after it."""
    found = render({}, chart=app)
    assert bridges(found) == (["sse-bridge"], ["application"])
    assert bridge_of(one(found, "Deployment"))["restartPolicy"] == "Always"


def test_a_plain_one_is_a_container(app: Path) -> None:
    """And the templates of the other list give nothing."""
    found = render({"sse-bridge": {"sidecar": {"native": False}}}, chart=app)
    assert bridges(found) == ([], ["application", "sse-bridge"])
    assert "restartPolicy" not in bridge_of(one(found, "Deployment"))


def test_a_sidecar_is_the_same_container_in_both_ways(app: Path) -> None:
    """Only the place differs."""
    native = bridge_of(one(render({}, chart=app), "Deployment"))
    plain = bridge_of(one(render({"sse-bridge": {"sidecar": {"native": False}}}, chart=app), "Deployment"))
    assert {key: value for key, value in native.items() if key != "restartPolicy"} == plain


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("native", [True, False])
def test_the_example_is_right_for_kubernetes(app: Path, version: str, *, native: bool) -> None:
    """As the chart itself is."""
    found = render({"sse-bridge": {"sidecar": {"native": native}}}, chart=app)
    assert [words for document in found for words in complaints(document, version)] == []


def test_the_example_passes_lint(app: Path) -> None:
    """Strictly."""
    done = run("lint", "--strict", app)
    assert done.returncode == 0, done.stdout


def test_the_mounts_and_the_volumes_of_a_sidecar_belong_together(app: Path) -> None:
    """Every mount has its volume in the pod, and both containers see one folder of logs."""
    pod = one(render({}, chart=app), "Deployment")["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    bridge, application = pod["initContainers"][0], pod["containers"][0]
    assert {mount["name"] for mount in bridge["volumeMounts"]} <= volumes
    logs = {"name": "sse-bridge-logs", "mountPath": "/var/log/app"}
    assert logs in application["volumeMounts"]
    assert logs | {"readOnly": True} in bridge["volumeMounts"]
    assert pod["securityContext"]["fsGroup"] == 10001


def test_the_configmap_of_a_sidecar_is_the_one_that_its_pod_mounts(app: Path) -> None:
    """The templates and the chart's own rendering agree on the name."""
    found = render({}, chart=app)
    pod = one(found, "Deployment")["spec"]["template"]["spec"]
    mounted = next(volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    assert one(found, "ConfigMap")["metadata"]["name"] == mounted


def test_a_restart_for_new_routes_is_the_parents_to_take_in(app: Path) -> None:
    """`podAnnotations` changes with the routes where `reload.restart` is true, and is nothing else."""

    def annotations(**values: Any) -> Any:
        template = one(render({"sse-bridge": values}, chart=app), "Deployment")["spec"]["template"]
        return template["metadata"].get("annotations")

    assert annotations() is None
    first = annotations(reload={"restart": True})
    assert first
    assert annotations(reload={"restart": True}, drain={"seconds": 11}) == first
    assert annotations(reload={"restart": True}, routes={"routes": {}}) != first


def test_global_and_a_condition_pass_the_strict_schema(app: Path, tmp_path: Path) -> None:
    """Helm hands both to a dependency."""
    chart = tmp_path / "app"
    shutil.copytree(app, chart)
    meta = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    meta["dependencies"][0]["condition"] = "sse-bridge.enabled"
    (chart / "Chart.yaml").write_text(yaml.safe_dump(meta), "utf-8")
    values = {"global": {"region": "eu", "deep": {"er": 1}}, "sse-bridge": {"enabled": True}}
    assert bridges(render(values, chart=chart)) == (["sse-bridge"], ["application"])
    # Switched off it has no templates any more, which Helm says by their name.
    off = run("template", "events", chart, values={"sse-bridge": {"enabled": False}})
    assert off.returncode != 0
    assert "sse-bridge" in off.stderr


def test_another_name_for_the_dependency_does_no_harm(app: Path, tmp_path: Path) -> None:
    """The templates find their values under an alias too."""
    chart = tmp_path / "app"
    shutil.copytree(app, chart)
    meta = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    meta["dependencies"][0]["alias"] = "streams"
    (chart / "Chart.yaml").write_text(yaml.safe_dump(meta), "utf-8")
    values = (chart / "values.yaml").read_text("utf-8").replace("sse-bridge:\n", "streams:\n")
    (chart / "values.yaml").write_text(values, "utf-8")
    deployment = chart / "templates/deployment.yaml"
    deployment.write_text(deployment.read_text("utf-8").replace('"sse-bridge" "drain"', '"streams" "drain"'), "utf-8")
    found = render({"streams": {"ports": {"public": 8123}}}, chart=chart)
    assert bridge_of(one(found, "Deployment"))["ports"][0]["containerPort"] == 8123


def test_a_sidecars_chart_runs_nothing_by_itself() -> None:
    """Only its ConfigMap is made; with the pods' labels also ways to them."""
    assert kinds(rendered_set("sidecar")) == ["ConfigMap"]
    with_selector = kinds(
        render({"mode": "sidecar", "sidecar": {"selector": {"app": "a"}}, "test": {"enabled": False}})
    )
    assert with_selector == ["ConfigMap", "Service"]


def test_a_gateway_runs_the_bridge_alone() -> None:
    """One container, and nobody's application."""
    pod = one(rendered_set("gateway"), "Deployment")["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert [container["name"] for container in pod["containers"]] == ["sse-bridge"]


def test_a_companion_stands_behind_the_bridge() -> None:
    """The Service leads to the bridge, which passes on to the application in the same pod."""
    found = rendered_set("companion")
    workload = one(found, "Deployment")
    bridge = bridge_of(workload)
    service = one(found, "Service")
    assert service["spec"]["ports"][0]["targetPort"] == "sse"
    assert bridge["ports"][0]["name"] == "sse"
    config = yaml.safe_load(one(found, "ConfigMap", "events-sse-bridge-routes")["data"]["routes.yaml"])
    assert config["server"]["upstream"] == "http://127.0.0.1:3000"
    names = [container["name"] for container in workload["spec"]["template"]["spec"]["containers"]]
    assert names == ["application"]


def test_an_application_goes_on_until_load_balancers_have_taken_note() -> None:
    """As long as the bridge's own wait; without one there is no hook."""
    pod = one(rendered_set("companion"), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    values = {"mode": "companion", "companion": {"image": {"repository": "a"}}, "drain": {"prestop": 0}}
    pod = one(render(values), "Deployment")["spec"]["template"]["spec"]
    assert "lifecycle" not in pod["containers"][0]


@pytest.mark.parametrize("name", ["gateway", "gateway-full", "gateway-state", "companion", "companion-plain"])
def test_the_bridge_is_probed_drained_and_restricted(name: str) -> None:
    """The same in all modes."""
    found = rendered_set(name)
    workload = next(document for document in found if document["kind"] in RUNNING)
    pod, bridge = workload["spec"]["template"]["spec"], bridge_of(workload)
    probes = {kind: bridge[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/-/started",
        "readiness": "/-/ready",
        "liveness": "/-/live",
    }
    assert {probe["port"] for probe in probes.values()} == {"sse-health"}
    assert bridge["lifecycle"]["preStop"]["exec"]["command"] == ["sse-bridge", "drain"]
    assert bridge["command"] + bridge["args"] == ["sse-bridge", "run", "/etc/sse-bridge/routes.yaml"]
    security = bridge["securityContext"]
    assert security["runAsUser"] == 10001
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False


def test_no_mount_of_the_configuration_is_by_subpath() -> None:
    """One by `subPath` never sees a change."""
    for name in ("gateway", "gateway-full", "companion", "gateway-state"):
        workload = next(document for document in rendered_set(name) if document["kind"] in RUNNING)
        assert all("subPath" not in mount for mount in bridge_of(workload)["volumeMounts"])


@pytest.mark.parametrize(("seconds", "prestop", "grace"), [(10, 5, 20), (30, 15, 50), (0, 0, 5)])
def test_the_grace_period_is_what_the_drain_takes(seconds: int, prestop: int, grace: int) -> None:
    """Both waits, and five seconds to end in; and the configuration says the same."""
    found = render({"drain": {"seconds": seconds, "prestop": prestop}})
    assert one(found, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == grace
    server = yaml.safe_load(one(found, "ConfigMap", "events-sse-bridge-routes")["data"]["routes.yaml"])["server"]
    assert (server["drain"], server["prestop"]) == (f"{seconds}s", f"{prestop}s")


def test_state_is_for_one_process_each() -> None:
    """A StatefulSet claims one volume for each pod; a claim that is there gets one pod at a time."""
    stateful = one(rendered_set("gateway-state"), "StatefulSet")
    claim = stateful["spec"]["volumeClaimTemplates"][0]
    assert claim["metadata"]["name"] in {mount["name"] for mount in bridge_of(stateful)["volumeMounts"]}
    assert stateful["spec"]["serviceName"] in {
        document["metadata"]["name"] for document in rendered_set("gateway-state")
    }
    single = one(rendered_set("gateway-claim"), "Deployment")
    assert single["spec"]["strategy"] == {"type": "Recreate"}


def test_secrets_come_by_reference() -> None:
    """Files lie where no token of a service account may be mounted; variables come from keys."""
    found = rendered_set("gateway-full")
    workload = one(found, "Deployment")
    bridge = bridge_of(workload)
    assert {"name": "sse-bridge-secrets", "mountPath": "/run/secrets/sse-bridge", "readOnly": True} in bridge[
        "volumeMounts"
    ]
    env = {entry["name"]: entry for entry in bridge["env"]}
    assert env["KAFKA_PASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "kafka", "key": "password"}}


def test_a_new_version_of_the_chart_alone_ends_no_stream(tmp_path: Path) -> None:
    """The pods' template has nothing of the chart's version."""
    chart = tmp_path / "sse-bridge"
    shutil.copytree(CHART, chart)
    meta = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    (chart / "Chart.yaml").write_text(yaml.safe_dump(meta | {"version": "9.9.9"}), "utf-8")
    new = one(render({}, chart=chart), "Deployment")["spec"]["template"]
    assert new == one(rendered_set("gateway"), "Deployment")["spec"]["template"]


def test_a_network_policy_opens_the_public_port_and_health_and_never_the_admin_port() -> None:
    """Health only to who is named."""
    rules = one(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in rules] == [8080, 9091]
    assert "from" not in rules[0]
    assert rules[1]["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


def test_the_metric_to_scale_by_is_one_that_the_bridge_has() -> None:
    """By its name in the list of metrics."""
    metrics = one(rendered_set("gateway-full"), "HorizontalPodAutoscaler")["spec"]["metrics"]
    name = next(metric["pods"]["metric"]["name"] for metric in metrics if metric["type"] == "Pods")
    assert f"`{name}`" in (ROOT / "docs/metrics.md").read_text("utf-8")


def test_the_service_monitor_finds_the_pods() -> None:
    """By the labels and the port of the headless Service, which no load balancer shows."""
    found = render({"metrics": {"serviceMonitor": {"enabled": True}}})
    monitor, service = one(found, "ServiceMonitor"), one(found, "Service", "events-sse-bridge-pods")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    main = one(found, "Service", "events-sse-bridge")
    assert not monitor["spec"]["selector"]["matchLabels"].items() <= main["metadata"]["labels"].items()
    assert [port["name"] for port in main["spec"]["ports"]] == ["http"]


def test_every_selector_selects_pods_that_there_are() -> None:
    """Services, budgets, policies and spread mean the labels of the pod template."""
    for name in ("gateway-full", "gateway-state", "companion", "ingress-traefik"):
        found = rendered_set(name)
        labels = [
            document["spec"]["template"]["metadata"]["labels"]
            for document in found
            if document["kind"] in RUNNING - {"Pod"}
        ]
        selectors = [document["spec"]["selector"] for document in found if document["kind"] == "Service"]
        selectors += [
            document["spec"]["selector"]["matchLabels"]
            for document in found
            if document["kind"] == "PodDisruptionBudget"
        ]
        for selector in selectors:
            assert sum(selector.items() <= given.items() for given in labels) == 1


def test_every_container_of_ours_says_what_it_takes() -> None:
    """A namespace with a quota takes no pod that does not; the application's container is its owner's affair."""
    for name in ("gateway-full", "gateway-state", "companion", "ingress-traefik"):
        running = [document for document in rendered_set(name) if document["kind"] in RUNNING]
        pods = [document["spec"].get("template", document)["spec"] for document in running]
        containers = [each for pod in pods for each in (*pod.get("initContainers", ()), *pod["containers"])]
        ours = [each for each in containers if "sse-bridge/sse-bridge" in each["image"]]
        assert len(ours) >= len(running) > 0
        assert [each["name"] for each in ours if not each.get("resources", {}).get("requests")] == []


def test_your_labels_beat_ours_but_for_those_that_select() -> None:
    """No label is there twice, and no selector loses its pods."""
    mine = {"app.kubernetes.io/part-of": "shop", "app.kubernetes.io/name": "shop", "team": "a"}
    found = render({"labels": mine, "podLabels": mine})
    for labels in (
        one(found, "Service")["metadata"]["labels"],
        one(found, "Deployment")["spec"]["template"]["metadata"]["labels"],
    ):
        assert (labels["app.kubernetes.io/part-of"], labels["team"]) == ("shop", "a")
        assert labels["app.kubernetes.io/name"] == "sse-bridge"


def test_names_stay_within_what_kubernetes_takes() -> None:
    """A long release name is cut, and the parts keep their endings."""
    done = run("template", "a" * 53, CHART, values={"state": {"enabled": True}, "nameOverride": "x" * 40})
    assert done.returncode == 0, done.stderr
    assert all(len(document["metadata"]["name"]) <= 63 for document in documents(done.stdout))
