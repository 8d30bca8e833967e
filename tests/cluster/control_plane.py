"""A Kubernetes control plane on loopback: etcd, the API server, the controllers, the scheduler, and one node.

The node is kwok's: its kubelet runs nothing and says of every pod at once that it is Ready. Admission, validation, the
controllers and the scheduler are the real ones.
"""

import json
import os
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

#: Seconds for a program to start or to end, and for the cluster to do what was asked, on a busy machine.
PATIENCE: Final = 90.0

#: Seconds between two looks at a condition.
GLANCE: Final = 0.05

#: How Kubernetes is asked which kinds it has.
KINDS: Final = ("api-resources", "--namespaced", "--verbs=list,delete", "--output=name")

#: What a namespace holds without anybody's doing.
OF_THE_NAMESPACE: Final = {"configmap/kube-root-ca.crt", "serviceaccount/default"}

#: The node, larger than all that the tests ask for at once.
ROOM: Final = {"cpu": "64", "memory": "256Gi", "pods": "250"}

#: Volumes for whoever claims one: kwok mounts nothing, so they can all be one folder.
VOLUMES: Final = 8


def until(told: Callable[[], object], what: str) -> None:
    """Wait until a function returns something true; say what was awaited when it does not."""
    deadline = time.monotonic() + PATIENCE
    while not told():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(GLANCE)


@dataclass
class Program:
    """A child process that writes into a log."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Fail, with its log's end, when it has ended by itself."""
        code = self.process.poll()
        assert code is None, f"{self.log.stem} ended with {code}: {self.log.read_text()[-2000:]}"

    def end(self) -> None:
        """End it and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Cluster:
    """A control plane, and its command lines."""

    folder: Path
    #: Where scripts/kubernetes put the programs; Helm's path.
    programs: Path
    helm_program: Path
    ports: Callable[[], int]
    _api: str = ""
    _running: list[Program] = field(default_factory=list)

    def start(self) -> None:
        """Start all of it; return when the node is Ready."""
        self._write_secrets()
        self._start_api_server(self._start_etcd())
        self._write_kubeconfig("default")
        until(self._is_ready, "the API server is ready")
        self._start_controllers()
        self._start_node()
        self._add_volumes()

    def stop(self) -> None:
        """End all of it, the last one started first."""
        while self._running:
            self._running.pop().end()

    def run(self, program: Path, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command line against the cluster, whether or not it succeeds."""
        # Helm keeps repositories and plugins at home, of which none shall matter here.
        environ = os.environ | {"KUBECONFIG": str(self._kubeconfig), "HOME": str(self.folder)}
        for each in self._running:
            each.check()
        return subprocess.run(
            [program, *arguments],
            input=given,
            capture_output=True,
            text=True,
            env=environ,
            timeout=PATIENCE,
            check=False,
        )

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl; return what it prints, and fail with it when it refuses."""
        return _succeeded(self.run(self.programs / "kubectl", *arguments, given=given))

    def helm(self, *arguments: str, given: str | None = None) -> str:
        """Run Helm; return what it prints, and fail with it when it refuses."""
        return _succeeded(self.run(self.helm_program, *arguments, given=given))

    def render(self, chart: Path, *arguments: str, namespace: str) -> str:
        """Render a chart as for this cluster, its hooks too."""
        version = json.loads(self.kubectl("get", "--raw=/version"))["gitVersion"]
        where = (f"--namespace={namespace}", f"--kube-version={version}")
        return self.helm("template", "trial", str(chart), *arguments, *where)

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` has, taken from JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def create(self, *objects: Mapping[str, Any]) -> None:
        """Create objects."""
        self.kubectl("create", "--filename=-", given=_listed(objects))

    def dry_run(self, manifest: str, namespace: str) -> subprocess.CompletedProcess[str]:
        """Have the server validate and admit a manifest strictly, and keep nothing of it."""
        # Said by `--namespace`, it would refuse what belongs into another one.
        within = self._write_kubeconfig(namespace)
        command = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
        return self.run(self.programs / "kubectl", *command, f"--kubeconfig={within}", given=manifest)

    def make_namespace(self, name: str, **labels: str) -> None:
        """Create a namespace; return when pods can be created in it."""
        prefixed = {f"pod-security.kubernetes.io/{label}": value for label, value in labels.items()}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": prefixed}})
        until(lambda: self._names("serviceaccount/default", name), "the namespace has its service account")

    def drop_namespace(self, name: str) -> None:
        """Delete a namespace without waiting for its end."""
        self.kubectl("delete", "namespace", name, "--wait=false")

    def contents(self, namespace: str) -> set[str]:
        """Name all that lives in a namespace, as `kind/name`; events come and go by themselves and are left out."""
        kinds = [kind for kind in self.kubectl(*KINDS).split() if not kind.startswith("events")]
        found = self.kubectl("get", ",".join(kinds), f"--namespace={namespace}", "--output=name", "--ignore-not-found")
        return set(found.split()) - OF_THE_NAMESPACE

    def _names(self, what: str, namespace: str) -> str:
        return self.kubectl("get", what, f"--namespace={namespace}", "--output=name", "--ignore-not-found")

    @property
    def _kubeconfig(self) -> Path:
        return self.folder / "kubeconfig-default"

    @property
    def _certificate(self) -> Path:
        return self.folder / "certificates/apiserver.crt"

    def _start(self, name: str, *arguments: str) -> Program:
        log = self.folder / f"{name}.log"
        with log.open("wb") as said:
            process = subprocess.Popen([self.programs / name, *arguments], stdout=said, stderr=said, cwd=self.folder)
        (self.folder / f"{name}.pid").write_text(f"{process.pid}\n")
        program = Program(process, log)
        self._running.append(program)
        return program

    def _write_secrets(self) -> None:
        key = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True, timeout=PATIENCE)
        token = secrets.token_hex()
        (self.folder / "token").write_text(token)
        (self.folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")

    def _start_etcd(self) -> str:
        clients, peers = (f"http://127.0.0.1:{self.ports()}" for _ in range(2))
        self._start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        )
        return clients

    def _start_api_server(self, etcd: str) -> None:
        port = self.ports()
        self._api = f"https://127.0.0.1:{port}"
        key = self.folder / "accounts.key"
        self._start(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            # An endpoint may not be a loopback address.
            "--endpoint-reconciler-type=none",
            f"--secure-port={port}",
            f"--cert-dir={self._certificate.parent}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/20",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        )

    def _write_kubeconfig(self, namespace: str) -> Path:
        server = {"server": self._api, "certificate-authority": str(self._certificate)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {"tokenFile": str(self.folder / "token")}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        }
        path = self.folder / f"kubeconfig-{namespace}"
        path.write_text(json.dumps(config))
        return path

    def _is_ready(self) -> bool:
        for each in self._running:
            each.check()
        try:
            trusted = ssl.create_default_context(cafile=str(self._certificate))
            with urllib.request.urlopen(f"{self._api}/readyz", timeout=PATIENCE, context=trusted) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _start_controllers(self) -> None:
        kubeconfig = f"--kubeconfig={self._kubeconfig}"
        alone = ("--leader-elect=false", "--bind-address=127.0.0.1")
        self._start(
            "kube-controller-manager",
            kubeconfig,
            *alone,
            f"--secure-port={self.ports()}",
            f"--cert-dir={self.folder / 'controllers'}",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self._certificate}",
            # There is no cloud, and one node needs no addresses.
            "--controllers=*,-node-ipam-controller,-cloud-node-lifecycle-controller",
            "--horizontal-pod-autoscaler-sync-period=1s",
            # kwok gives no sign of life, and makes no pod Ready again that was given up with its node.
            "--node-monitor-grace-period=24h",
        )
        self._start(
            "kube-scheduler",
            kubeconfig,
            *alone,
            f"--secure-port={self.ports()}",
            f"--cert-dir={self.folder / 'scheduler'}",
        )

    def _start_node(self) -> None:
        stages = self.folder / "stages.yaml"
        stages.write_text((self.programs / "stages.yaml").read_text() + TESTS_COMPLETE)
        self._start(
            "kwok",
            f"--kubeconfig={self._kubeconfig}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            f"--server-address=127.0.0.1:{self.ports()}",
            "--node-ip=127.0.0.1",
        )
        labels = {"kubernetes.io/hostname": "node", "topology.kubernetes.io/zone": "zone"}
        self.create(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": "node", "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
                "status": {"allocatable": ROOM, "capacity": ROOM},
            }
        )
        self.kubectl("wait", "node/node", "--for=condition=Ready", f"--timeout={PATIENCE:g}s")
        self.kubectl("wait", "--for=create", "serviceaccount/default", f"--timeout={PATIENCE:g}s")

    def _add_volumes(self) -> None:
        default = {"storageclass.kubernetes.io/is-default-class": "true"}
        self.create(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": "plain", "annotations": default},
                "provisioner": "kubernetes.io/no-provisioner",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
            *_volumes(),
        )


def _volumes() -> Iterator[dict[str, Any]]:
    for number in range(VOLUMES):
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"volume-{number}"},
            "spec": {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "plain",
                "hostPath": {"path": "/nowhere"},
            },
        }


def _listed(objects: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


#: kwok lets a Job's pods complete; those of `helm test` belong to no Job.
TESTS_COMPLETE: Final = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: helm-test-complete
spec:
  resourceRef:
    apiGroup: v1
    kind: Pod
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.phase', operator: In, values: [Running]}
    - {key: '.metadata.annotations["helm.sh/hook"]', operator: In, values: [test]}
  next:
    statusTemplate: |
      phase: Succeeded
"""
