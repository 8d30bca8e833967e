"""Pods of rendered manifests, run by podman with the storage that scripts/image keeps."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]

#: Seconds for a command of podman's on a busy machine; a pod may take its grace period to end.
PATIENCE: Final = 90.0


def printed(*command: str | Path, given: str | None = None) -> str:
    """Run a command; return what it prints, and fail with what it says when it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def podman(*arguments: str, given: str | None = None) -> str:
    """Run podman; return what it prints."""
    return printed(ROOT / "scripts/image", "podman", *arguments, given=given)


def rendered(release: str, values: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Render the chart and its test, of which podman understands pods, workloads and ConfigMaps."""
    helm = printed(ROOT / "scripts/helm").split()[-1]
    given = folder / "values.yaml"
    given.write_text(yaml.safe_dump(dict(values)))
    text = printed(helm, "template", release, ROOT / "helm/sse-bridge", "--kube-version=1.36", f"--values={given}")
    return [document for document in yaml.safe_load_all(text) if document]


@dataclass
class Pod:
    """A workload's one pod under podman, from its start to the last of its volumes."""

    release: str
    documents: list[dict[str, Any]]
    #: The user that may write into what the containers share.
    writer: int
    #: What podman calls it, which depends on podman's version.
    name: str = ""
    #: Volumes by what they are made of.
    _configured: set[str] = field(default_factory=set)
    _shared: set[str] = field(default_factory=set)

    @property
    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the containers as they are rendered."""
        return {each["name"]: each for each in self._spec["containers"]}

    def play(self) -> None:
        """Start it."""
        manifest = self._manifest
        for volume in self._shared:
            # podman gives a folder to whichever container comes first; a kubelet gives it `fsGroup`, and all may write.
            podman(
                "volume", "create", f"--opt=o=uid={self.writer},gid={self._spec['securityContext']['fsGroup']}", volume
            )
        podman("kube", "play", "-", given=manifest)
        (self.name,) = self._pods

    def stop(self) -> None:
        """Have all containers told by SIGTERM, and wait for as long as a kubelet would."""
        podman("pod", "stop", f"--time={self._spec['terminationGracePeriodSeconds']}", self.name)

    def down(self) -> None:
        """Remove it; what still runs gets no SIGTERM of podman 4."""
        podman("kube", "down", "-", given=self._manifest)

    def remove(self) -> None:
        """Leave nothing of it, whatever has become of it; `kube down` keeps what a ConfigMap became, a volume."""
        for pod in self._pods:
            podman("pod", "rm", "--force", "--time=1", pod)
        for volume in self._volumes_left:
            podman("volume", "rm", "--force", volume)
        assert not self.left + self._volumes_left

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a container; return what it prints."""
        return podman("exec", f"{self.name}-{container}", *command)

    def log(self, container: str) -> str:
        """Return what a container has logged."""
        done = subprocess.run(
            [ROOT / "scripts/image", "podman", "logs", f"{self.name}-{container}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout

    def exit_code(self, container: str) -> int:
        """Return with what a container has ended."""
        return int(podman("inspect", "--format={{.State.ExitCode}}", f"{self.name}-{container}"))

    @property
    def left(self) -> list[str]:
        """Name what there still is of it."""
        return self._pods + podman("ps", "--all", f"--filter=name={self.release}-", "--format={{.Names}}").split()

    @property
    def _pods(self) -> list[str]:
        return podman("pod", "ls", f"--filter=name={self.release}-", "--format={{.Name}}").split()

    @property
    def _volumes_left(self) -> list[str]:
        here = set(podman("volume", "ls", "--quiet").split())
        return sorted(here & (self._configured | self._shared))

    @property
    def _workload(self) -> dict[str, Any]:
        (found,) = [each for each in self.documents if each["kind"] in {"Deployment", "StatefulSet"}]
        return found

    @property
    def _spec(self) -> dict[str, Any]:
        found: dict[str, Any] = self._workload["spec"]["template"]["spec"]
        return found

    @property
    def _manifest(self) -> str:
        kinds = {"Deployment", "ConfigMap"}
        adapted = self._adapted(each for each in self.documents if each["kind"] in kinds)
        return yaml.safe_dump_all(list(adapted))

    def _adapted(self, documents: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Take away the probes, for which podman runs a curl that the image has not, and the pod's own network; name
        volumes, which are the machine's, by the release.
        """
        for document in documents:
            adapted = json.loads(json.dumps(document))
            if adapted["kind"] == "ConfigMap":
                self._configured.add(adapted["metadata"]["name"])
            else:
                self._adapt(adapted["spec"]["template"]["spec"])
            yield adapted

    def _adapt(self, spec: dict[str, Any]) -> None:
        # podman takes a pod's own network away before the processes have ended; in the host's it wants no ports named.
        spec["hostNetwork"] = True
        for container in spec["containers"]:
            for key in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
                container.pop(key, None)
            for mount in container.get("volumeMounts", []):
                mount["name"] = f"{self.release}-{mount['name']}"
        for volume in spec["volumes"]:
            volume["name"] = f"{self.release}-{volume['name']}"
            if "emptyDir" in volume:
                self._shared.add(volume["name"])
