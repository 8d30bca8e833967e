"""What Helm makes of the chart, and what the cluster has of it."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chart.rendering import CHART
from tests.cluster.control_plane import Cluster, until

WORKLOADS: Final = {"Deployment", "StatefulSet", "Job"}

#: kwok and the controllers answer within a second or two; Helm says what it waits for when it gives up.
WAIT: Final = ("--wait", "--timeout=60s")


def with_dependencies(cluster: Cluster, chart: Path, folder: Path) -> Path:
    """Copy a chart that depends on ours, with ours where it looks for it, and have Helm fetch it."""
    ours = folder / "sse-bridge"
    shutil.copytree(CHART, ours)
    copy = folder / "examples" / chart.name
    shutil.copytree(chart, copy)
    cluster.helm("dependency", "update", str(copy))
    return copy


def pods_of(manifest: str) -> Iterator[dict[str, Any]]:
    """Make a pod of each workload, since of a workload's template the server only warns.

    Their service account is not there yet, unlike that of the namespace.
    """
    for document in yaml.safe_load_all(manifest):
        if document and document["kind"] in WORKLOADS:
            template = document["spec"]["template"]
            claimed = [
                {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": "any"}}
                for claim in document["spec"].get("volumeClaimTemplates", [])
            ]
            volumes = template["spec"].get("volumes", []) + claimed
            yield {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": template["metadata"] | {"name": document["metadata"]["name"]},
                "spec": template["spec"] | {"serviceAccountName": "default", "volumes": volumes},
            }


@dataclass(frozen=True)
class Release:
    """One release in one namespace."""

    cluster: Cluster
    namespace: str
    chart: Path = CHART
    name: str = "trial"

    def install(self, **values: Any) -> None:
        """Install it; return when its pods are Ready."""
        self._helm("install", self.name, str(self.chart), *WAIT, given=values)

    def upgrade(self, **values: Any) -> None:
        """Install other values over it; return when its pods are Ready."""
        self._helm("upgrade", self.name, str(self.chart), *WAIT, given=values)

    def rollback(self) -> None:
        """Go back to the revision before."""
        self._helm("rollback", self.name, *WAIT)

    def uninstall(self) -> None:
        """Remove it; return when all that it owns is gone, its pods too."""
        self._helm("uninstall", self.name, "--wait", "--cascade=foreground", "--timeout=60s")

    def test(self) -> str:
        """Run its tests; return what Helm says."""
        return self._helm("test", self.name, "--timeout=60s")

    def get(self, kind: str) -> list[dict[str, Any]]:
        """Return what the namespace has of a kind."""
        found = self.cluster.get(kind, f"--namespace={self.namespace}")["items"]
        return sorted(found, key=lambda each: each["metadata"]["name"])

    def one(self, kind: str) -> dict[str, Any]:
        """Return the only one of a kind."""
        (found,) = self.get(kind)
        return found

    @property
    def routes(self) -> str:
        """Return the routes.yaml that the pods are given."""
        (found,) = [each for each in self.get("configmaps") if "routes.yaml" in each["data"]]
        return str(found["data"]["routes.yaml"])

    @property
    def pods(self) -> dict[str, str]:
        """Return the uids of the pods that are not on their way out, by name."""
        living = [pod["metadata"] for pod in self.get("pods") if "deletionTimestamp" not in pod["metadata"]]
        return {pod["name"]: pod["uid"] for pod in living}

    @property
    def contents(self) -> set[str]:
        """Name all that the namespace has."""
        return self.cluster.contents(self.namespace)

    def endpoints(self, service: str) -> dict[str, tuple[int, int]]:
        """Return what a service leads to: by the port's name the pods' port, and how many of them there are."""
        slices = self.cluster.get(
            "endpointslices", f"--namespace={self.namespace}", f"--selector=kubernetes.io/service-name={service}"
        )["items"]
        return {
            port["name"]: (port["port"], len([each for each in one["endpoints"] or [] if each["conditions"]["ready"]]))
            for one in slices
            for port in one["ports"] or []
        }

    def leads(self, service: str, **ports: tuple[int, int]) -> None:
        """Wait until a service leads to so many pods, by each of its ports."""
        wanted = {name.replace("_", "-"): there for name, there in ports.items()}
        until(lambda: self.endpoints(service) == wanted, f"{service} leads to {wanted}, not {self.endpoints(service)}")

    def _helm(self, *arguments: str, given: Mapping[str, Any] | None = None) -> str:
        where = f"--namespace={self.namespace}"
        if given is None:
            return self.cluster.helm(*arguments, where)
        return self.cluster.helm(*arguments, where, "--values=-", given=yaml.safe_dump(dict(given)))
