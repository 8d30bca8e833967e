"""The checks of the other tests here are worth something: each of them refuses what it is there for."""

import json
from typing import Any

import pytest

from tests.cluster.control_plane import Cluster

#: A pod that the strictest level admits.
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "plain"},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "plain",
                "image": "plain",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}


def _pod(**spec: Any) -> str:
    return json.dumps(POD | {"spec": POD["spec"] | spec})


def test_the_node_makes_a_pod_ready(cluster: Cluster, namespace: str) -> None:
    """Scheduler and node are there."""
    cluster.kubectl("create", f"--namespace={namespace}", "--filename=-", given=_pod())
    cluster.kubectl("wait", f"--namespace={namespace}", "--for=condition=Ready", "pod/plain", "--timeout=30s")
    assert cluster.contents(namespace) == {"pod/plain"}


@pytest.mark.parametrize(
    "broken",
    [
        {"securityContext": {"runAsNonRoot": True, "runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}},
        {"securityContext": {"runAsNonRoot": True}},
        {"hostNetwork": True},
        {"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]},
    ],
    ids=["root", "seccomp", "host network", "host path"],
)
def test_a_restricted_namespace_refuses(cluster: Cluster, namespace: str, broken: dict[str, Any]) -> None:
    """What pod security's strictest level forbids is forbidden."""
    refused = cluster.dry_run(_pod(**broken), namespace)
    assert refused.returncode == 1
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr


def test_validation_refuses_a_field_that_is_unknown(cluster: Cluster, namespace: str) -> None:
    """A slip in a field's name is not ignored."""
    assert cluster.dry_run(_pod(), namespace).returncode == 0
    refused = cluster.dry_run(_pod(terminationGracePeriod=30), namespace)
    assert refused.returncode == 1
    assert ".spec.terminationGracePeriod: field not declared in schema" in refused.stderr


def test_validation_refuses_a_field_of_a_custom_kind(cluster: Cluster, namespace: str) -> None:
    """Custom kinds are validated as strictly."""
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "plain"},
        "spec": {"selector": {}, "endpoints": [{"port": "health", "path": "/-/metrics"}]},
    }
    assert cluster.dry_run(json.dumps(monitor), namespace).returncode == 0
    monitor["spec"] = {"selector": {}, "endpoints": [{"port": 9091}]}
    assert ".spec.endpoints[0].port: expected string" in cluster.dry_run(json.dumps(monitor), namespace).stderr
