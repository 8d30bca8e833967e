"""The two brokers that are read from: Kafka's own, one node, and Mosquitto; on loopback, in a folder of their own."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.sink import TREE, free_port

JARS = TREE / ".cache" / "kafka" / "lib"

#: Without the second compiler and a concurrent collector, which would take turns with what is measured.
JAVA = ("java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*")

#: Seconds for a broker to start on a busy machine.
PATIENCE = 60.0

KAFKA = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
# It is held back while subscribers connect, and is not to think that it died.
broker.session.timeout.ms=60000
"""

# Every message waits in a session for the one who is measured: no queue is cut short, and none of QoS 0 is left out.
# How many are on their way at a time is for the reader to say (Receive Maximum).
MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
queue_qos0_messages true
set_tcp_nodelay true
log_dest none
"""


class Broker:
    """A running broker."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self._process = process

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let it take connections, and answer none."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def kafka(folder: Path) -> Iterator[Broker]:
    """Run Kafka."""
    if not JARS.is_dir():
        sys.exit("bench: Kafka's broker is not there: scripts/kafka fetches it")
    port, controller, settings = free_port(), free_port(), folder / "server.properties"
    settings.write_text(KAFKA.format(port=port, controller=controller, folder=folder))
    tool = [*JAVA, "kafka.tools.StorageTool", "format", "-t", "bench-bench-bench-bencg", "-c", settings]
    subprocess.run(tool, check=True, capture_output=True, timeout=PATIENCE)
    with _running([*JAVA, "kafka.Kafka", str(settings)], port, folder / "kafka.log") as broker:
        yield broker


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """Run Mosquitto."""
    port, settings = free_port(), folder / "mosquitto.conf"
    settings.write_text(MOSQUITTO.format(port=port))
    try:
        with _running(["/usr/sbin/mosquitto", "-c", str(settings)], port, folder / "mosquitto.log") as broker:
            yield broker
    except FileNotFoundError:
        sys.exit("bench: Mosquitto is not there: scripts/debian mosquitto installs it")


@contextlib.contextmanager
def _running(command: Sequence[str], port: int, log: Path) -> Iterator[Broker]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {command[0]} does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield Broker(port, process)
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
