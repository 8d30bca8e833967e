"""What `helm test` runs: it subscribes as a page does, and knows a stream from anything else."""

import asyncio
import sys

import pytest

from tests.chart.rendering import CHART, kinds, one, render, rendered_set
from tests.support import running

TEN = """
server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0" }
sources: { clock: { kind: timer, every: 1s } }
routes: { /clock: { from: clock }, /gone: { gone: true } }
"""


async def subscribe(url: str) -> tuple[int | None, str]:
    """Run the script; return its exit code and what it says."""
    command = [sys.executable, str(CHART / "files/subscribe.py"), url]
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, (out + err).decode()


async def test_a_stream_is_one() -> None:
    """It begins with `retry`."""
    async with running(TEN) as served:
        assert await subscribe(f"http://127.0.0.1:{served.port}/clock") == (
            0,
            f"http://127.0.0.1:{served.port}/clock: a stream\n",
        )


@pytest.mark.parametrize(("path", "words"), [("/gone", "204"), ("/none", "404")])
async def test_anything_else_is_not(path: str, words: str) -> None:
    """The exit code says so, and the words what came instead."""
    async with running(TEN) as served:
        code, said = await subscribe(f"http://127.0.0.1:{served.port}{path}")
        assert code == 1
        assert words in said


def test_the_pod_asks_the_service_for_the_first_route_without_names() -> None:
    """By its address in the cluster."""
    pod = one(rendered_set("gateway"), "Pod")
    assert pod["spec"]["containers"][0]["args"] == ["http://events-sse-bridge:80/clock"]
    routes = {"routes": {"/b": {"from": "a"}, "/a/{b}": {"from": "a"}, "/a": {"gone": True}}, "server": {"base": "/s"}}
    pod = one(render({"routes": routes}), "Pod")
    assert pod["spec"]["containers"][0]["args"] == ["http://events-sse-bridge:80/s/b"]


def test_there_is_no_pod_where_there_is_no_such_route() -> None:
    """`test.path` says one."""
    values = {"routes": {"routes": {"/a/{b}": {"from": "a"}}}}
    assert "Pod" not in kinds(render(values))
    assert "Pod" in kinds(render(values | {"test": {"path": "/a/b"}}))
    assert "Pod" not in kinds(render({"existingConfigMap": "a"}))


def test_a_network_policy_lets_the_pod_in() -> None:
    """Where the public port is not for everyone."""
    found = rendered_set("gateway-full")
    labels = {"app.kubernetes.io/component": "test"}
    peers = one(found, "NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert any(labels.items() <= peer.get("podSelector", {}).get("matchLabels", {}).items() for peer in peers)
