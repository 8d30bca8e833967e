"""Kafka's faults of brokers and of the way to them: K01 to K04, K27 to K29."""

import asyncio
import contextlib
import re
import socket
import time

import pytest

from tests.e2e import programs
from tests.kafka import three
from tests.kafka_client import Talk
from tests.kafka_config import NOWHERE
from tests.kafka_source import counted, listening, of, yaml
from tests.support import until

pytestmark = pytest.mark.live

#: What stands in the log of a bridge is counted for so many seconds.
WATCHED = 3.0
LINES_A_SECOND = 10


@contextlib.asynccontextmanager
async def process(folder, free_ports, *keys):
    """Run a bridge of its own process, whose log can be read."""
    routes = folder / "routes.yaml"
    routes.write_text('server: { listen: "${LISTEN}", admin: "${ADMIN}", drain: 0s }\n' + yaml(*keys))
    async with programs.bridge(routes, free_ports(), free_ports()) as bridge:
        yield bridge


def quiet(printed):
    """Show that a fault of `WATCHED` seconds at least has made few lines."""
    assert 0 < len(printed) <= WATCHED * LINES_A_SECOND
    assert "Traceback" not in "".join(printed)


async def test_k01_a_restart_of_the_broker_is_told_and_costs_nothing(kafka, talk, topic):
    """Down within the restart, up after it, and every record once."""
    await talk.create(topic, partitions=2)
    async with listening(kafka.address, topic) as heard:
        await talk.numbers(topic, range(50))
        await heard.payloads(50)
        await asyncio.to_thread(kafka.end)
        reason = await heard.goes_down()
        await asyncio.to_thread(kafka.start)
        await heard.comes_up(2)
        await talk.numbers(topic, range(50, 60))
        await talk.numbers(topic, range(100, 110), partition=1)
        await heard.payloads(70)
    assert kafka.address in reason
    assert of(heard.messages, 0) == counted(range(60))
    assert of(heard.messages, 1) == counted(range(100, 110))
    assert not heard.losses


async def test_k02_a_killed_broker_costs_nothing_that_it_had_acknowledged(kafka, talk, topic):
    """SIGKILL between two batches, then a start from what is on its disk."""
    await talk.create(topic)
    async with listening(kafka.address, topic) as heard:
        await talk.numbers(topic, range(500))
        await asyncio.to_thread(kafka.kill)
        await heard.goes_down()
        await asyncio.to_thread(kafka.start)
        await talk.numbers(topic, range(500, 1000))
        assert await heard.payloads(1000) == counted(range(1000))
    assert not heard.losses


async def test_k02_connections_that_are_reset_again_and_again_tear_nothing(talk, topic, kafka_net):
    """The network resets every connection ten times while records flow."""
    await talk.create(topic)
    async with listening(kafka_net.address, topic) as heard:
        for round in range(10):
            await talk.numbers(topic, range(round * 100, round * 100 + 100))
            kafka_net.reset()
            await heard.until(lambda least=round * 100: len(heard.messages) > least)
        assert await heard.payloads(1000) == counted(range(1000))
    assert not heard.losses


async def test_k03_a_broker_that_is_not_there_at_the_start_is_waited_for(kafka, topic):
    """The source is down with the address in its reason, and reads when the broker comes."""
    async with Talk.to(kafka.address) as talk:
        await talk.create(topic)
        await talk.numbers(topic, range(3))
    await asyncio.to_thread(kafka.end)
    async with listening(kafka.address, topic) as heard:
        assert kafka.address in await heard.goes_down()
        await asyncio.to_thread(kafka.start)
        assert await heard.payloads(3) == counted(range(3))
        # Told behind the records that prove it.
        await until(lambda: heard.states[-1] == "up")


async def test_k03_the_second_broker_of_the_list_serves_when_the_first_does_not_answer(kafka, talk, topic):
    """One address that refuses and one that answers: the source is up."""
    await talk.create(topic)
    await talk.numbers(topic, range(3))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
    async with listening("", topic, brokers=[dead, kafka.address]) as heard:
        assert await heard.payloads(3) == counted(range(3))


async def test_k03_the_log_stays_quiet_while_no_broker_answers(tmp_path, free_ports):
    """Ten lines a second at most in all, aiokafka's own included, and none of them a traceback."""
    async with process(tmp_path, free_ports, f"127.0.0.1:{free_ports()}", "orders") as bridge:
        await asyncio.sleep(WATCHED)  # what is measured is how much is said in this time
        printed = list(bridge.program.output)
    quiet(printed)
    assert any("source is down" in line and "refuses" in line for line in printed)


async def test_k02_the_log_stays_quiet_when_the_broker_is_killed(kafka, talk, topic, tmp_path, free_ports):
    """The same for a consumer that was reading, and without a line too many when the broker is back."""
    await talk.create(topic, partitions=3)
    async with process(tmp_path, free_ports, kafka.address, topic) as bridge:
        printed = bridge.program.output
        await until(lambda: any("source is up" in line for line in printed))
        before = len(printed)
        await asyncio.to_thread(kafka.kill)
        await asyncio.sleep(WATCHED)  # as above
        await asyncio.to_thread(kafka.start)
        await until(lambda: "source is up" in "".join(printed[before:]))
    quiet(printed[before:])


async def test_k04_the_partitions_of_a_broker_that_dies_are_read_from_their_new_leaders(tmp_path):
    """Three brokers, three replicas: one ends and comes back, one is killed. No record is missed or repeated."""
    with three(tmp_path) as (one, two, third):
        addresses = [broker.address for broker in (one, two, third)]
        async with Talk.to(",".join(addresses)) as talk:
            await talk.create("orders", partitions=3, replicas=3, min_insync_replicas=2)
            async with listening("", "orders", brokers=addresses) as heard:
                await thrice(talk, range(100))
                await asyncio.to_thread(one.end)
                await thrice(talk, range(100, 200))
                await heard.payloads(600)
                await asyncio.to_thread(one.start)
                await asyncio.to_thread(two.kill)
                await thrice(talk, range(200, 300))
                await heard.payloads(900)
    assert [of(heard.messages, number) for number in range(3)] == [counted(range(300))] * 3
    assert not heard.losses


async def thrice(talk, numbers):
    """Produce the same records to each of three partitions."""
    await asyncio.gather(*[talk.numbers("orders", numbers, partition=partition) for partition in range(3)])


async def test_k27_an_advertised_listener_that_does_not_exist_is_named(kafka, talk, topic):
    """The broker answers, and sends its clients to a host that nobody knows: the reason says so."""
    await talk.create(topic)
    async with listening(kafka.at("LOST"), topic) as heard:
        reason = await heard.goes_down()
    assert f"{NOWHERE}:{kafka.ports['LOST']}" in reason
    assert re.search(r"advertise", reason), reason
    assert re.search(r"resolve|found|unknown", reason), reason


async def test_k27_an_advertised_port_that_refuses_is_named(kafka, talk, topic):
    """The broker sends its clients to a port where nobody listens."""
    await talk.create(topic)
    async with listening(kafka.at("PROXIED"), topic) as heard:
        reason = await heard.goes_down()
    assert f"127.0.0.1:{kafka.ports['PROXY']}" in reason
    assert re.search(r"advertise", reason), reason


async def test_k28_a_throttled_client_gets_everything_later(kafka, talk, topic):
    """A quota makes the broker hold its answers back: the source stays up, and loses nothing."""
    await talk.create(topic)
    value = b"x" * 1_000
    async with talk.throttled(100_000), listening(kafka.address, topic) as heard:
        await heard.comes_up()
        began = time.monotonic()
        for _ in range(4):
            await asyncio.gather(*[talk.send(topic, value) for _ in range(50)])
        await heard.payloads(200)
        took = time.monotonic() - began
    assert took > 0.5, "the quota did not bite"
    assert heard.states == ["up"]
    assert not heard.losses


async def test_k29_a_network_that_swallows_everything_is_noticed_and_survived(talk, topic, kafka_net):
    """Connections stay open and nothing comes through: the source is down in the end, and goes on when it may."""
    await talk.create(topic)
    async with listening(kafka_net.address, topic, timeout="2s") as heard:
        await talk.numbers(topic, range(10))
        await heard.payloads(10)
        kafka_net.stall()
        await talk.numbers(topic, range(10, 20))
        reason = await heard.goes_down()
        kafka_net.mend()
        assert await heard.payloads(20) == counted(range(20))
    assert re.search(r"answer|time", reason), reason
    assert not heard.losses


async def test_k29_a_broker_that_accepts_and_never_answers_is_told(topic):
    """The port is open, as that of a process that hangs: the source does not wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with listening(address, topic) as heard:
            reason = await heard.goes_down()
    assert address in reason


async def test_k29_a_stopped_broker_is_noticed_and_goes_on(kafka, talk, topic):
    """SIGSTOP: its kernel still acknowledges, it says nothing. After SIGCONT every record comes once."""
    await talk.create(topic)
    async with listening(kafka.address, topic, timeout="2s") as heard:
        await talk.numbers(topic, range(10))
        await heard.payloads(10)
        kafka.pause()
        try:
            await heard.goes_down()
        finally:
            kafka.go_on()
        await talk.numbers(topic, range(10, 20))
        assert await heard.payloads(20) == counted(range(20))
    assert not heard.losses
