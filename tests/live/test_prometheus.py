"""Prometheus and its promtool: they take our text, our rules and our queries, and each alert fires when it should."""

import asyncio
import contextlib
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml

from tests.metrics.scrape import asked
from tests.metrics.test_metrics_deploy import ALERTS, queries
from tests.support import DEADLINE, PLAIN, SERVER, Served, running, until

#: Two routes, a source of each cheap kind, and an application that is not there.
WIDE = SERVER.replace("}", ', health: 127.0.0.1:0, canary: 1s, upstream: "http://127.0.0.1:9"}') + (
    "sources: {p: {kind: push, subject: '{x}'}, t: {kind: timer, every: 1h, payload: x}}\n"
    "routes: {'/p/{x}': {from: p, key: data.id}, /t: {from: t}}\n"
)

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: sse-bridge
    metrics_path: /-/metrics
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def promtool(*arguments: str, given: bytes = b"") -> str:
    """Run promtool; return what it says, on success."""
    done = subprocess.run(
        ["promtool", *arguments], input=given, capture_output=True, check=False, timeout=DEADLINE, cwd=ALERTS.parent
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


async def test_promtool_takes_a_scrape() -> None:
    """Names, types and help are as Prometheus wants them, with something in each kind of series."""
    async with running(WIDE) as served:
        served.publish('{"id": 1}', x="a")
        client = await served.open("/p/a", id="0000-1")
        await client.event()
        await until(lambda: served.bridge.observed.canary is not None and served.bridge.observed.canary.passed)
        body = bytes((await asked(served.bridge.listeners.health.port)).body)
    assert not await asyncio.to_thread(promtool, "check", "metrics", given=body)


async def test_promtool_takes_the_rules() -> None:
    """Each alert fires in a case that is made for it, keeps silent just before, and all do where all is well."""
    assert "SUCCESS" in await asyncio.to_thread(promtool, "check", "rules", ALERTS.name)
    assert "SUCCESS" in await asyncio.to_thread(promtool, "test", "rules", "alerts.test.yaml")


async def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    """Each is PromQL."""
    recorded = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    said = await asyncio.to_thread(promtool, "check", "rules", str(file))
    assert f"{len(recorded)} rules found" in said


class Prometheus:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self, path: str, **query: str) -> Any:
        """Return what its API says; None while it does not answer."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"

        def get() -> Any:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                return json.load(answer)["data"]
            return None

        return await asyncio.to_thread(get)

    async def value(self, expression: str) -> list[str]:
        """Return the values of a query now."""
        found = await self.ask("query", query=expression)
        return [each["value"][1] for each in found["result"]] if found is not None else []

    async def becomes(self, expression: str, told: Callable[[list[str]], bool]) -> None:
        """Wait until a query's values are as told."""
        async with asyncio.timeout(DEADLINE):
            while not told(await self.value(expression)):
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def watching(served: Served, port: int, folder: Path) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes the health listener and has our rules."""
    config = folder / "prometheus.yaml"
    config.write_text(CONFIG.format(rules=ALERTS, port=served.bridge.listeners.health.port))
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={folder / 'data'}",
    ]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        await process.wait()


async def test_a_prometheus_scrapes_a_bridge(free_port: int, tmp_path: Path) -> None:
    """It takes OpenMetrics, loads the rules, sees a stream open, and an alert's expression come true."""
    async with (
        running(SERVER.replace("}", ", health: 127.0.0.1:0}") + PLAIN) as served,
        watching(served, free_port, tmp_path) as prometheus,
    ):
        await prometheus.becomes("up", lambda found: found == ["1"])
        await prometheus.becomes("sse_bridge_streams", lambda found: found == ["0"])
        client = await served.open()
        served.publish("a")
        await client.event()
        await prometheus.becomes('sse_bridge_route_deliveries_total{route="/p"}', lambda found: found == ["1"])
        groups = (await prometheus.ask("rules"))["groups"]
        assert [rule["health"] for group in groups for rule in group["rules"]].count("err") == 0
        types = await prometheus.ask("metadata")
        assert types["sse_bridge_route_latency_seconds"][0]["type"] == "histogram"
        assert not await prometheus.value("ALERTS")
        served.bridge.intakes["p"].inlet.down("it was told to")
        pending = 'ALERTS{alertname="SSEBridgeSourceDown", alertstate="pending", source="p"}'
        await prometheus.becomes(pending, lambda found: found == ["1"])
