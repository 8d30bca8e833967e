"""`sse-bridge run` and `serve` as programs: what they say at their start, and to whom."""

import asyncio
import functools
import json
import sys

import aiohttp
import pytest
from paho.mqtt import publish

from tests.e2e.programs import Program, running, until
from tests.mosquitto import broker

pytestmark = pytest.mark.live


def console(program: Program) -> str | None:
    """Return where the log says that the console is; every line so far is JSON."""
    lines = [json.loads(line) for line in program.output if line.endswith("\n")]
    return next((line["url"] for line in lines if line["event"] == "console"), None)


async def test_run_logs_where_it_listens_and_where_the_console_is(tmp_path):
    """Both stand in the log, which stays one document a line."""
    file = tmp_path / "routes.yaml"
    file.write_text('server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0" }\n', "utf-8")
    async with running(sys.executable, "-m", "bridge", "run", file) as program:

        async def told() -> bool:
            return console(program) is not None

        await until(told, "the console's address is logged")
        ready = [line for line in map(json.loads, program.output) if line["event"] == "ready"]
        assert ready[0]["listen"][0].startswith("127.0.0.1:")
        async with aiohttp.request("GET", console(program) or "") as response:
            assert "<title>" in await response.text()
        assert await program.end() == 0


async def test_serve_follows_a_file_that_appears_later(tmp_path):
    """The address of its route is printed at once, and the file's first line arrives there."""
    log = tmp_path / "later.log"
    options = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    async with running(sys.executable, "-m", "bridge", "serve", log, *options) as program:

        async def told() -> bool:
            return "shows them" in program.printed

        await until(told, "the addresses are printed")
        assert program.output[0] == f"{log}: not there yet; it is followed as soon as it appears\n"
        url = program.output[1].strip()
        assert url.endswith("/later.log")
        async with aiohttp.request("GET", url, timeout=aiohttp.ClientTimeout(total=20)) as stream:
            log.write_text("first\n", "utf-8")
            await stream.content.readuntil(b"data: first\n")
        assert await program.end() == 0


async def test_serve_follows_the_topics_of_a_broker(tmp_path, free_port):
    """One stream has all topics and says which is which, the other has one of them; what is retained is there."""
    options = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    async with broker(tmp_path, free_port) as mosquitto:
        told = functools.partial(publish.single, hostname="127.0.0.1", port=free_port, qos=1, retain=True)
        await asyncio.to_thread(told, "rooms/attic/light", '{"on": true}')
        arguments = (f"{mosquitto.url}/rooms/#", *options)
        async with running(sys.executable, "-m", "bridge", "serve", *arguments) as program:

            async def ready() -> bool:
                return "shows them" in program.printed

            await until(ready, "the addresses are printed")
            every, one = (line.strip() for line in program.output[:2])
            assert one == f"{every}/{{rest*}}"
            async with aiohttp.request("GET", every, timeout=aiohttp.ClientTimeout(total=20)) as stream:
                line = await stream.content.readuntil(b"}\n")
                assert json.loads(line.rpartition(b"data: ")[2])["subject"] == "rooms/attic/light"
            async with aiohttp.request("GET", f"{every}/attic/light") as stream:
                await stream.content.readuntil(b'data: {"on": true}\n')
            assert await program.end() == 0


async def test_the_log_is_as_the_file_the_command_line_and_the_admin_port_say(tmp_path):
    """The command line beats the file, and who asks at run time beats both."""
    file = tmp_path / "routes.yaml"
    file.write_text(
        'server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0", drain: 0s, log: { level: error, format: pretty } }\n',
        "utf-8",
    )
    options = ("--log-level", "info", "--log-format", "json")
    async with running(sys.executable, "-m", "bridge", "run", file, *options) as program:

        async def told() -> bool:
            return console(program) is not None

        await until(told, "the console's address is logged")
        url = f"{console(program)}-/log"
        async with aiohttp.request("PUT", url, json={"level": "warning", "for": "1m"}) as response:
            asked = await response.json()
        assert (asked["level"], asked["then"], asked["held_back"]) == ("warning", "info", 0)
        assert await program.end() == 0
        lines = [json.loads(line) for line in program.output]
        assert lines[-1]["event"] == "log level set"  # what follows it is of level info
        assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)


async def test_the_file_alone_says_how_much_is_logged(tmp_path):
    """Where the command line says nothing; and a format for people has no JSON in it."""
    file = tmp_path / "routes.yaml"
    server = 'listen: "127.0.0.1:0", admin: "127.0.0.1:0", drain: 0s'
    file.write_text(f"server: {{ {server}, log: {{ level: info, format: pretty }} }}\n", "utf-8")
    async with running(sys.executable, "-m", "bridge", "run", file) as program:

        async def ready() -> bool:
            return "ready" in program.printed

        await until(ready, "it is ready")
        assert await program.end() == 0
        assert "{" not in program.printed
        assert "stopped" in program.printed


@pytest.mark.parametrize("option", ["--log-level", "--log-format"])
async def test_an_option_that_there_is_not_is_refused_in_words(tmp_path, option):
    """Before anything is read."""
    async with running(sys.executable, "-m", "bridge", "run", tmp_path / "none.yaml", option, "loud") as program:
        assert await program.process.wait() == 2

        async def told() -> bool:
            return bool(program.output)

        await until(told, "it says why")
        assert program.printed.startswith(f"{option}: 'loud' is not one of ")
