"""Kafka's own broker as a child of a test: one node that all tests share, or three for what one cannot show.

The jars are Maven's (`scripts/kafka`). A broker is formatted and started within three seconds, on loopback, and keeps
its ports over stops, kills and starts. What the shared one listens for, `tests.kafka_config` tells.
"""

import base64
import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.certificates import Authority
from tests.kafka_config import COMMON, NOWHERE, PASSWORD, PROTOCOLS, RIGHTS, SASL, USER, listeners, tls

JARS: Final = Path(__file__).parents[1] / ".cache/kafka/lib"

#: Small and quick to start: the second compiler and a concurrent collector pay off after minutes only.
JAVA: Final = (
    "java",
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-cp",
    f"{JARS}/*",
)

#: Below 32768 the kernel picks no port for an outgoing connection; other tests pick theirs from 20,000 on.
PORTS: Final = (24_000, 32_000)

#: Seconds for a broker to start or to end on a busy machine.
PATIENCE: Final = 60.0


class Broker:
    """One node of a cluster."""

    def __init__(self, folder: Path, node: int, ports: Mapping[str, int], properties: Mapping[str, str]) -> None:
        self.folder = folder
        self.ports = ports
        self._node = node
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "broker.log"
        self._file = folder / "server.properties"
        folder.mkdir(parents=True, exist_ok=True)
        told = {"node.id": str(node), "log.dirs": str(folder / "data"), **COMMON, **properties}
        self._file.write_text("".join(f"{key}={value}\n" for key, value in told.items()))

    @property
    def address(self) -> str:
        """Return host and port of the plain listener."""
        return self.at("PLAIN")

    @property
    def is_up(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def at(self, listener: str) -> str:
        """Return host and port of a listener."""
        return f"127.0.0.1:{self.ports[listener]}"

    def segment(self, topic: str, partition: int = 0) -> Path:
        """Return the file of a partition's first segment."""
        return self.folder / "data" / f"{topic}-{partition}" / "00000000000000000000.log"

    def format(self, cluster: str, *more: str) -> None:
        """Make the folder a node's of that cluster."""
        command = [*JAVA, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._file), *more]
        done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.launch()
        self.await_start()

    def launch(self) -> None:
        """Start it."""
        assert not self.is_up
        with self._log.open("wb") as log:
            command = [*JAVA, "kafka.Kafka", str(self._file)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def await_start(self) -> None:
        """Wait until it serves."""
        deadline = time.monotonic() + PATIENCE
        while b"Kafka Server started" not in self._log.read_bytes():
            assert self.is_up, f"the broker ended:\n{self._log.read_text(errors='replace')[-4000:]}"
            assert time.monotonic() < deadline, "the broker does not start"
            time.sleep(0.05)

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order or with SIGKILL at once, and wait until it has."""
        if self._process is None:
            return
        if self.is_up:
            self._process.send_signal(with_signal)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def kill(self) -> None:
        """End it without a word."""
        self.end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hold its connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def free_ports(*names: str) -> dict[str, int]:
    """Choose a free port for each name, where nobody is likely to take it while the broker is down for a moment."""
    found: dict[str, int] = {}
    while len(found) < len(names):
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found.values():
                found[names[len(found)]] = port
    return found


def cluster_id() -> str:
    """Make a cluster's id: Kafka takes none that begins with a dash."""
    return "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def alone(folder: Path, authority: Authority) -> Broker:
    """Make a cluster of one node, with all listeners; it is not started."""
    # One port more, on which nobody listens: there a test puts its proxy.
    ports = free_ports(*PROTOCOLS, "CONTROLLER", "PROXY")
    properties = {
        "controller.quorum.voters": f"1@127.0.0.1:{ports['CONTROLLER']}",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        **listeners(ports, {"LOST": f"{NOWHERE}:{ports['LOST']}", "PROXIED": f"127.0.0.1:{ports['PROXY']}"}),
        **RIGHTS,
        **SASL,
        **tls(authority),
    }
    broker = Broker(folder, 1, ports, properties)
    users = [f"{kind}=[name={USER},password={PASSWORD}]" for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
    broker.format(cluster_id(), *(part for user in users for part in ("--add-scram", user)))
    return broker


@contextlib.contextmanager
def three(folder: Path) -> Iterator[list[Broker]]:
    """Run a cluster of three nodes, each a broker and a voter."""
    ports = [free_ports("PLAIN", "CONTROLLER") for _ in range(3)]
    voters = ",".join(f"{node}@127.0.0.1:{each['CONTROLLER']}" for node, each in enumerate(ports, 1))
    properties = {
        "controller.quorum.voters": voters,
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.replication.factor": "3",
        "share.coordinator.state.topic.replication.factor": "3",
        "controller.quorum.election.timeout.ms": "500",
        "controller.quorum.fetch.timeout.ms": "1000",
    }
    brokers = [
        Broker(folder / str(node), node, each, {**properties, **listeners(each, {})})
        for node, each in enumerate(ports, 1)
    ]
    cluster = cluster_id()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda broker: broker.format(cluster), brokers))
    try:
        for broker in brokers:
            broker.launch()
        for broker in brokers:
            broker.await_start()
        yield brokers
    finally:
        for broker in brokers:
            broker.kill()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Broker]:
    """Start the broker that all tests share."""
    if not JARS.is_dir() or shutil.which("java") is None:
        pytest.fail("Kafka's jars are not there: `make test` fetches them")
    broker = alone(tmp_path_factory.mktemp("kafka"), authority)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def kafka(kafka_server: Broker) -> Broker:
    """Give the shared broker, up again if the test before left it down."""
    if not kafka_server.is_up:
        kafka_server.start()
    kafka_server.go_on()
    return kafka_server
