"""The chart's pod with an application beside the bridge: a stream of its log, and an end in order."""

import asyncio
import contextlib
import http.client
import json
from collections.abc import AsyncIterator

import pytest

from tests.kube.conftest import Played
from tests.support import Client, until

#: The first of them may have to build the image.
pytestmark = pytest.mark.timeout(1200)


def _status(port: int, path: str) -> int:
    """Return what a listener answers; 0 while nobody does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def _stream(pod: Played) -> AsyncIterator[Client]:
    """Open the stream of the log, as soon as the bridge is ready."""
    await until(lambda: _status(pod.ports["health"], "/-/ready") == 200)
    client = await Client.to(pod.ports["public"])
    try:
        await client.ask("/log")
        await client.event()
        yield client
    finally:
        client.close()


async def test_a_client_outside_reads_what_the_application_logs(pod: Played) -> None:
    """A log of mode 0640 that another user writes becomes a stream, by the routes of the ConfigMap."""
    async with _stream(pod) as client:
        lines = [(await client.event()).data for _ in range(5)]
    first = int(str(lines[0]).removeprefix("line "))
    assert lines == [f"line {number}" for number in range(first, first + 5)]
    assert pod.pod.log("application") == "user 20001 of group 10001\n"
    assert "-rw-r-----" in pod.pod.execute("application", "ls", "-l", "/var/log/app/app.log")


async def test_what_the_kubelet_asks_is_answered(pod: Played) -> None:
    """Each probe as it is rendered, by its port's name, gets a 200."""
    async with _stream(pod):
        container = pod.pod.containers["sse-bridge"]
        named = {port["name"]: port["containerPort"] for port in container["ports"]}
        probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
        assert [_status(named[probe["port"]], probe["path"]) for probe in probes] == [200, 200, 200]


async def test_a_pod_that_is_told_to_end_drains_and_ends_with_zero(pod: Played) -> None:
    """SIGTERM tells the stream; both processes end by themselves in the grace period; `kube down` leaves nothing."""
    async with _stream(pod) as client:
        going = asyncio.create_task(asyncio.to_thread(pod.pod.stop), name="pod stop")
        assert (await client.control("bye")).told["reason"] == "drain"
        await client.rest()
        assert client.is_whole
        await going
    assert {name: pod.pod.exit_code(name) for name in pod.pod.containers} == {"application": 0, "sse-bridge": 0}
    pod.pod.down()
    assert not pod.pod.left


async def test_the_pre_stop_hook_drains_while_the_container_runs(pod: Played) -> None:
    """The hook's command, as it is rendered, returns when the stream is told; the probe turns, the process stays."""
    hook = pod.pod.containers["sse-bridge"]["lifecycle"]["preStop"]["exec"]["command"]
    async with _stream(pod) as client:
        hooked = asyncio.create_task(asyncio.to_thread(pod.pod.execute, "sse-bridge", *hook), name="preStop hook")
        await client.control("bye")
        await client.rest()
        await hooked
    assert _status(pod.ports["health"], "/-/ready") == 503
    assert _status(pod.ports["health"], "/-/live") == 200
    events = [json.loads(line)["event"] for line in pod.pod.log("sse-bridge").splitlines()]
    assert "drained" in events
    assert "stopped" not in events
