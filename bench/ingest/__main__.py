"""Measure how fast sse-bridge takes in Kafka and MQTT, beside loops that read the same and only count.

    make bench-ingest        or        .venv/bin/python -m bench.ingest --rounds 5 --only kafka

It runs against a real Kafka broker (one node, `scripts/kafka`) and a real Mosquitto (`scripts/debian mosquitto`), both
on loopback. Each case is read three ways, one after another, several rounds:

- by a bare loop (`bare.py`): aiokafka's `getmany`, or paho's network loop, which also acknowledges;
- by sse-bridge, the real program, with one subscriber;
- by sse-bridge with a hundred subscribers, each of which gets every message.

Everything is at the broker before anybody reads: a Kafka topic of three partitions, with and without lz4; an MQTT
session whose queue is full, of QoS 1 and of QoS 0. So it is the reader that is measured and not a publisher. The broker
is held back (SIGSTOP) until the subscribers are there, and a round counts only when each of them got every message.

Rates are from the first message to the last: as the loop counts them, or as they arrive at the subscribers (`sink.c`).
CPU is the reader's own from its connection to the last message, divided by the messages. The broker and the
subscribers share the machine: compare the ratios.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.ingest import brokers, flood
from bench.sink import LOG, RESULTS, TREE, Sink, build, cpu_seconds, free_port

HERE = Path(__file__).parent

#: What we aim at: the rate to one subscriber, as a share of the bare loop's.
AIM = 0.6

#: Seconds between two looks at what the subscribers have; seconds without anything new after which it is over.
GLANCE = 0.005
PATIENCE = 20.0

MANY = 100


class Case(NamedTuple):
    """One way to be sent messages."""

    name: str
    kind: str
    #: What the bare loop is.
    bare: str
    compression: str | None = None
    qos: int = 0


CASES = (
    Case("Kafka", "kafka", "bare aiokafka"),
    Case("Kafka, lz4", "kafka", "bare aiokafka", compression="lz4"),
    Case("MQTT, QoS 1", "mqtt", "bare paho", qos=1),
    Case("MQTT, QoS 0", "mqtt", "bare paho", qos=0),
)


class Figures(NamedTuple):
    """One reader's figures of one round."""

    rate: float  # messages a second
    cpu: float  # microseconds a message
    share: float  # of a processor, from the first message to the last

    @classmethod
    def of(cls, count: int, seconds: float, cpu: float) -> "Figures":
        """Return the figures of so many messages."""
        return cls(count / seconds, cpu * 1e6 / count, cpu / seconds)


class Reading(NamedTuple):
    """What is to be read."""

    kind: str
    broker: brokers.Broker
    #: The Kafka topic, or the MQTT client id whose session it is.
    what: str
    #: The first level of the MQTT topics.
    topic: str
    qos: int
    count: int


def read_bare(reading: Reading) -> Figures:
    """Let the bare loop read."""
    command = [sys.executable, "-m", "bench.ingest.bare", reading.kind, str(reading.broker.port), reading.what]
    done = subprocess.run([*command, str(reading.count)], cwd=TREE, check=True, capture_output=True, timeout=300)
    told = json.loads(done.stdout)
    return Figures.of(reading.count, told["seconds"], told["cpu"])


@contextlib.contextmanager
def serving(port: int, reading: Reading) -> Iterator[int]:
    """Run sse-bridge and give its process id."""
    environment = {
        **os.environ,
        "LISTEN": f"127.0.0.1:{port}",
        "ADMIN": f"127.0.0.1:{free_port()}",
        "BROKER": f"127.0.0.1:{reading.broker.port}",
        "WHAT": reading.what,
        "TOPIC": reading.topic,
        "QOS": str(reading.qos),
    }
    command = [sys.executable, "-m", "bridge", "run", HERE / f"{reading.kind}.yaml"]
    with LOG.open("wb") as log:
        process = subprocess.Popen(command, cwd=TREE, env=environment, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def read_bridge(reading: Reading, subscribers: int) -> Figures:
    """Let sse-bridge read, and wait until each subscriber has everything."""
    port = free_port()
    with serving(port, reading) as pid:
        with reading.broker.held():
            sink = Sink(port, subscribers, "/flood", "1.1")
            # Each stream begins with an id that stands alone, which counts as an event.
            opening, cpu = sink.counts().events, cpu_seconds(pid)
        seconds = _await_all(sink, opening, reading.count * subscribers)
        cpu = cpu_seconds(pid) - cpu
        sink.close()
    return Figures.of(reading.count, seconds, cpu)


def _await_all(sink: Sink, opening: int, due: int) -> float:
    """Return the seconds from the first event to the last."""
    first = changed = time.monotonic()
    events = 0
    while events < due:
        time.sleep(GLANCE)
        counts, now = sink.counts(), time.monotonic()
        if counts.events - opening > events:
            first = now if not events else first
            events, changed = counts.events - opening, now
        if counts.closed or now - changed > PATIENCE:
            sys.exit(f"{events:,} of {due:,} events arrived, {counts.closed} streams closed; see {LOG}")
    return changed - first


class Bench:
    """The rounds of all cases."""

    def __init__(self, options: argparse.Namespace, kafka: brokers.Broker | None, mqtt: brokers.Broker | None) -> None:
        self.figures: dict[str, dict[str, list[Figures]]] = {}
        self._brokers = {"kafka": kafka, "mqtt": mqtt}
        counts = {"kafka": (options.records, options.records_many), "mqtt": (options.messages, options.messages_many)}
        self._payloads = {
            kind: [[flood.payload(number, options.size) for number in range(count)] for count in each]
            for kind, each in counts.items()
            if self._brokers[kind] is not None
        }

    @property
    def cases(self) -> list[Case]:
        """Return the cases whose broker runs."""
        return [case for case in CASES if self._brokers[case.kind] is not None]

    def fill_topics(self) -> None:
        """Write what all rounds read of Kafka."""
        for case in self.cases:
            if case.kind == "kafka":
                for topic, payloads in zip(("one", "many"), self._payloads["kafka"], strict=True):
                    name = f"{topic}-{case.compression}"
                    flood.fill_topic(self._broker(case).port, name, payloads, case.compression)

    def fill_sessions(self, case: Case) -> None:
        """Publish what one round reads of MQTT: a session is empty once it was read."""
        port = self._broker(case).port
        for name, topic in (("bare", "one"), ("one", "one"), ("many", "many")):
            flood.make_session(port, name, f"{topic}/+", case.qos)
        for topic, payloads in zip(("one", "many"), self._payloads["mqtt"], strict=True):
            flood.publish(port, topic, payloads, case.qos)

    def round(self, case: Case) -> None:
        """Read one case all three ways."""
        figures = self.figures.setdefault(case.name, {})
        if case.kind == "mqtt":
            self.fill_sessions(case)
        print(f"  {case.name}", end="", flush=True)
        for reader, name, subscribers in (
            (case.bare, "bare", 0),
            ("sse-bridge to 1", "one", 1),
            (f"sse-bridge to {MANY}", "many", MANY),
        ):
            reading = self._reading(case, name)
            found = read_bridge(reading, subscribers) if subscribers else read_bare(reading)
            figures.setdefault(reader, []).append(found)
            print(f", {reader} {found.rate:,.0f}/s", end="", flush=True)
        print()

    def _broker(self, case: Case) -> brokers.Broker:
        broker = self._brokers[case.kind]
        assert broker
        return broker

    def _reading(self, case: Case, name: str) -> Reading:
        topic = "many" if name == "many" else "one"
        count = len(self._payloads[case.kind][name == "many"])
        what = name if case.kind == "mqtt" else f"{topic}-{case.compression}"
        return Reading(case.kind, self._broker(case), what, topic, case.qos, count)


def table(figures: dict[str, dict[str, list[Figures]]]) -> str:
    """Lay the medians out, with the aim under them."""
    lines = [f"{'':30}{'messages/s':>29}{'x bare':>9}{'µs CPU each':>14}{'x bare':>9}{'CPU share':>12}"]
    for case, readers in figures.items():
        lines.append(case)
        medians = [[statistics.median(one[i] for one in rounds) for i in range(3)] for rounds in readers.values()]
        for (reader, rounds), (rate, cpu, share) in zip(readers.items(), medians, strict=True):
            spread = f"{rate:,.0f} ({min(rounds).rate:,.0f}-{max(rounds).rate:,.0f})"
            ratios = f"{rate / medians[0][0]:>9.2f}{cpu:>14.1f}{cpu / medians[0][1]:>9.2f}"
            lines.append(f"  {reader:28}{spread:>29}{ratios}{share:>12.0%}")
    lines.append(f"{'aim, sse-bridge to 1':30}{'':29}{f'>= {AIM}':>9}")
    return "\n".join(lines)


def save(options: argparse.Namespace, figures: dict[str, dict[str, list[Figures]]]) -> Path:
    """Write every round's figures as JSON."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / time.strftime("ingest-%Y%m%d-%H%M%S.json", time.gmtime())
    result = {
        "options": vars(options),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores",
        "figures": {
            case: {reader: [one._asdict() for one in rounds] for reader, rounds in readers.items()}
            for case, readers in figures.items()
        },
        "aims": {"of_bare": AIM},
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bench/ingest",
        description="messages a second from Kafka and MQTT to subscribers",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=300_000, help="of a Kafka topic, for one subscriber")
    parser.add_argument("--records-many", type=int, default=60_000, help="of a Kafka topic, for a hundred")
    parser.add_argument("--messages", type=int, default=60_000, help="of an MQTT session, for one subscriber")
    parser.add_argument("--messages-many", type=int, default=30_000, help="of an MQTT session, for a hundred")
    parser.add_argument("--size", type=int, default=200, help="bytes of a payload")
    parser.add_argument("--rounds", type=int, default=3, help="of all cases")
    parser.add_argument("--only", choices=["kafka", "mqtt"], help="one of the brokers")
    return parser.parse_args()


def main() -> None:
    """Run all rounds, interleaved, so that a busy moment of the machine meets all readers."""
    options = parse()
    build()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        kafka = stack.enter_context(brokers.kafka(folder)) if options.only != "mqtt" else None
        mqtt = stack.enter_context(brokers.mosquitto(folder)) if options.only != "kafka" else None
        bench = Bench(options, kafka, mqtt)
        bench.fill_topics()
        print(f"messages of {options.size} bytes, {options.rounds} rounds")
        for number in range(options.rounds):
            print(f"round {number + 1}")
            for case in bench.cases:
                bench.round(case)
    print(f"\n{table(bench.figures)}\n\nWritten to {save(options, bench.figures).relative_to(TREE)}")


if __name__ == "__main__":
    main()
