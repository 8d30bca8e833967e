"""Each value of values.yaml does something: changed, it changes what is rendered."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest
import yaml

from tests.chart.rendering import CHART, text_of

Values = dict[str, Any]


def _ingress(preset: str, **more: Any) -> Values:
    return {"ingress": {"enabled": True, "preset": preset, **more}}


GATEWAY: Final[Values] = {}
COMPANION: Final[Values] = {
    "mode": "companion",
    "companion": {"image": {"repository": "app"}},
    "logs": {"enabled": True},
}
IN_PODS: Final[Values] = {"mode": "sidecar"}
STATE: Final[Values] = {"state": {"enabled": True}}
NGINX: Final[Values] = _ingress("nginx")
TRAEFIK: Final[Values] = _ingress("traefik")
ISTIO: Final[Values] = _ingress("istio", istio={"gateways": ["a/b"]})
HTTPROUTE: Final[Values] = _ingress("httproute", httproute={"parents": [{"name": "a"}]})
SCALED: Final[Values] = {"autoscaling": {"enabled": True}}
RESTRICTED: Final[Values] = {"networkPolicy": {"enabled": True}}
WATCHED: Final[Values] = {
    "metrics": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}}
}

#: For each value: where it matters, and another one.
CASES: Final[dict[str, tuple[Values, Any]]] = {
    "mode": (GATEWAY, "sidecar"),
    "nameOverride": (GATEWAY, "other"),
    "fullnameOverride": (GATEWAY, "other"),
    "labels": (GATEWAY, {"a": "b"}),
    "image.repository": (GATEWAY, "other"),
    "image.tag": (GATEWAY, "2"),
    "image.digest": (GATEWAY, "sha256:" + "0" * 64),
    "image.pullPolicy": (GATEWAY, "Always"),
    "imagePullSecrets": (GATEWAY, [{"name": "a"}]),
    "routes": (GATEWAY, {"routes": {"/a": {"from": "a"}}, "sources": {"a": {"kind": "push"}}}),
    "existingConfigMap": (GATEWAY, "mine"),
    "reload.restart": (GATEWAY, True),
    "ports.public": (GATEWAY, 81),
    "ports.health": (GATEWAY, 82),
    "ports.admin": (GATEWAY, 83),
    "drain.seconds": (GATEWAY, 20),
    "drain.prestop": (GATEWAY, 0),
    "secrets.env": (GATEWAY, {"A": {"secret": "a", "key": "b"}}),
    "secrets.files": (GATEWAY, {"a": {"secret": "a", "key": "b"}}),
    "logs.enabled": (COMPANION, False),
    "logs.path": (COMPANION, "/logs"),
    "logs.sizeLimit": (COMPANION, "2Gi"),
    "state.enabled": (STATE, False),
    "state.path": (STATE, "/state"),
    "state.size": (STATE, "2Gi"),
    "state.storageClass": (STATE, "fast"),
    "state.accessMode": (STATE, "ReadWriteOncePod"),
    "state.existingClaim": (STATE, "old"),
    "extraEnv": (GATEWAY, [{"name": "A", "value": "b"}]),
    "extraVolumes": (GATEWAY, [{"name": "a", "emptyDir": {}}]),
    "extraVolumeMounts": (GATEWAY, [{"name": "a", "mountPath": "/a"}]),
    "replicas": (GATEWAY, 2),
    "rollout.surge": (GATEWAY, "50%"),
    "rollout.unavailable": (GATEWAY, 1),
    "rollout.minReadySeconds": (GATEWAY, 5),
    "resources.requests.cpu": (GATEWAY, "1"),
    "resources.requests.memory": (GATEWAY, "1Gi"),
    "resources.limits.memory": (GATEWAY, "1Gi"),
    **{
        f"probes.{probe}.{key}": (GATEWAY, 42)
        for probe in ("startup", "readiness", "liveness")
        for key in ("periodSeconds", "timeoutSeconds", "failureThreshold")
    },
    "sidecar.native": (COMPANION, False),
    "sidecar.selector": (IN_PODS, {"a": "b"}),
    "companion.image.repository": (COMPANION, "other"),
    "companion.image.tag": (COMPANION, "2"),
    "companion.image.pullPolicy": (COMPANION, "Always"),
    "companion.port": (COMPANION, 84),
    "companion.command": (COMPANION, ["a"]),
    "companion.args": (COMPANION, ["a"]),
    "companion.env": (COMPANION, [{"name": "A", "value": "b"}]),
    "companion.resources": (COMPANION, {"limits": {"memory": "1Gi"}}),
    "companion.startupProbe": (COMPANION, {"tcpSocket": {"port": 1}}),
    "companion.readinessProbe": (COMPANION, {"tcpSocket": {"port": 1}}),
    "companion.livenessProbe": (COMPANION, {"tcpSocket": {"port": 1}}),
    "companion.volumeMounts": (COMPANION, [{"name": "a", "mountPath": "/a"}]),
    "companion.securityContext.allowPrivilegeEscalation": (COMPANION, True),
    "companion.securityContext.readOnlyRootFilesystem": (COMPANION, True),
    "companion.securityContext.capabilities.drop": (COMPANION, ["NET_RAW"]),
    "service.type": (GATEWAY, "NodePort"),
    "service.port": (GATEWAY, 81),
    "service.appProtocol": (GATEWAY, "kubernetes.io/h2c"),
    "service.annotations": (GATEWAY, {"a": "b"}),
    "ingress.enabled": (NGINX, False),
    "ingress.preset": (NGINX, "alb"),
    "ingress.className": (NGINX, "a"),
    "ingress.hosts": (NGINX, ["a.example.com"]),
    "ingress.path": (NGINX, "/a"),
    "ingress.tlsSecret": (NGINX, "a"),
    "ingress.annotations": (NGINX, {"a": "b"}),
    "ingress.timeout": (NGINX, 42),
    "ingress.later.enabled": (NGINX, False),
    "ingress.later.seconds": (NGINX, 7),
    "ingress.later.origins": (NGINX, ["https://a.example.com"]),
    "ingress.later.replicas": (NGINX, 2),
    "ingress.later.resources.requests.cpu": (NGINX, "1"),
    "ingress.later.resources.requests.memory": (NGINX, "1Gi"),
    "ingress.later.resources.limits.memory": (NGINX, "1Gi"),
    "ingress.nginx.snippets": (NGINX, True),
    "ingress.traefik.entryPoints": (TRAEFIK, ["web"]),
    "ingress.alb.scheme": (_ingress("alb"), "internet-facing"),
    "ingress.istio.gateways": (ISTIO, ["c/d"]),
    "ingress.istio.namespace": (ISTIO, "a"),
    "ingress.istio.selector.istio": (ISTIO, "a"),
    "ingress.httproute.parents": (HTTPROUTE, [{"name": "b"}]),
    "serviceAccount.create": (GATEWAY, False),
    "serviceAccount.name": (GATEWAY, "a"),
    "serviceAccount.annotations": (GATEWAY, {"a": "b"}),
    "podLabels": (GATEWAY, {"a": "b"}),
    "podAnnotations": (GATEWAY, {"a": "b"}),
    "podSecurityContext.runAsNonRoot": (GATEWAY, False),
    "podSecurityContext.fsGroup": (GATEWAY, 42),
    "podSecurityContext.fsGroupChangePolicy": (GATEWAY, "Always"),
    "podSecurityContext.seccompProfile.type": (GATEWAY, "Unconfined"),
    "securityContext.runAsNonRoot": (GATEWAY, False),
    "securityContext.runAsUser": (GATEWAY, 42),
    "securityContext.runAsGroup": (GATEWAY, 42),
    "securityContext.allowPrivilegeEscalation": (GATEWAY, True),
    "securityContext.readOnlyRootFilesystem": (GATEWAY, False),
    "securityContext.capabilities.drop": (GATEWAY, ["NET_RAW"]),
    "securityContext.seccompProfile.type": (GATEWAY, "Unconfined"),
    "priorityClassName": (GATEWAY, "a"),
    "nodeSelector": (GATEWAY, {"a": "b"}),
    "tolerations": (GATEWAY, [{"key": "a"}]),
    "affinity": (GATEWAY, {"podAffinity": {}}),
    "topologySpreadConstraints": (GATEWAY, []),
    "pdb.enabled": (GATEWAY, False),
    "pdb.maxUnavailable": (GATEWAY, "50%"),
    "autoscaling.enabled": (SCALED, False),
    "autoscaling.min": (SCALED, 3),
    "autoscaling.max": (SCALED, 20),
    "autoscaling.cpu": (SCALED, 50),
    "autoscaling.streams": (SCALED, 1000),
    "autoscaling.behavior.scaleDown.stabilizationWindowSeconds": (SCALED, 42),
    "autoscaling.behavior.scaleDown.policies": (SCALED, []),
    "networkPolicy.enabled": (RESTRICTED, False),
    "networkPolicy.public": (RESTRICTED, [{"podSelector": {}}]),
    "networkPolicy.health": (RESTRICTED, [{"podSelector": {}}]),
    "networkPolicy.egress": (RESTRICTED, []),
    "metrics.serviceMonitor.enabled": (WATCHED, False),
    "metrics.serviceMonitor.interval": (WATCHED, "42s"),
    "metrics.serviceMonitor.labels": (WATCHED, {"a": "b"}),
    "metrics.rules.enabled": (WATCHED, False),
    "metrics.rules.labels": (WATCHED, {"a": "b"}),
    "metrics.dashboard.enabled": (WATCHED, False),
    "metrics.dashboard.labels.grafana_dashboard": (WATCHED, "2"),
    "metrics.dashboard.annotations": (WATCHED, {"a": "b"}),
    "test.enabled": (GATEWAY, False),
    "test.path": (GATEWAY, "/a"),
}


@cache
def defaults() -> Values:
    """Read values.yaml."""
    return yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


def leaves(values: Values, before: str = "") -> Iterator[str]:
    """Name what has no keys below it."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{before}{key}.")
        else:
            yield before + key


def changed(values: Values, path: str, value: Any) -> Values:
    """Return the values with another one at a path."""
    whole = copy.deepcopy(values)
    *parents, last = path.split(".")
    place = whole
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return whole


@cache
def _base(values: str) -> str:
    return text_of(json.loads(values))


def test_each_value_has_a_case() -> None:
    """A new value needs one; a case of a value that is gone goes as well."""
    assert set(leaves(defaults())) == set(CASES)


@pytest.mark.parametrize("path", CASES)
def test_the_value_does_something(path: str) -> None:
    """Another value gives other documents."""
    base, value = CASES[path]
    assert text_of(changed(base, path, value)) != _base(json.dumps(base))


def test_the_schema_knows_each_value_and_no_other() -> None:
    """But for `global` and `enabled`, which Helm and charts above put there."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

    def paths(part: Values, before: str = "") -> Iterator[str]:
        for key, below in part["properties"].items():
            if "properties" in below and below.get("additionalProperties") is False:
                yield from paths(below, f"{before}{key}.")
            else:
                yield before + key

    def stops(path: str) -> bool:
        return any(f"{path}.".startswith(f"{known}.") or f"{known}.".startswith(f"{path}.") for known in known_paths)

    known_paths = set(paths(schema))
    assert all(stops(path) for path in leaves(defaults()))
    extra = {path for path in known_paths if not _is_there(path)}
    assert extra == {
        "global",
        "enabled",
        "resources.claims",
        "companion.resources.requests",
        "companion.resources.limits",
        "companion.resources.claims",
        "ingress.later.resources.claims",
    }


def _is_there(path: str) -> bool:
    place: Any = defaults()
    for name in path.split("."):
        if not isinstance(place, dict) or name not in place:
            return False
        place = place[name]
    return True


def test_each_value_has_words() -> None:
    """A comment stands above each key, but for those of Kubernetes' own objects."""
    text = (CHART / "README.md").read_text("utf-8")
    own = (
        "resources.",
        "probes.",
        "securityContext.",
        "podSecurityContext.",
        "autoscaling.behavior.",
        "selector.istio",
    )
    missing = [
        path
        for path in leaves(defaults())
        if f"| `{path}` |" not in text
        and not any(part in f"{path}" for part in own)
        and "grafana_dashboard" not in path
    ]
    assert missing == []
