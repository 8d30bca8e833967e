"""Names resolved in threads that nobody waits for."""

import asyncio
import socket
import threading

import pytest

from bridge.sources.web.names import MAX_THREADS, Names, ask
from tests.support import until
from tests.web_client import Dns


async def test_all_addresses_of_a_name_come_in_their_order() -> None:
    """With the port that was asked for."""
    names = Names(Dns({"a.test": ["10.0.0.2", "::1", "10.0.0.1"]}))
    found = await names.resolve("a.test", 80)
    assert [(each["host"], each["port"], each["family"]) for each in found] == [
        ("10.0.0.2", 80, socket.AF_INET),
        ("::1", 80, socket.AF_INET6),
        ("10.0.0.1", 80, socket.AF_INET),
    ]


def test_the_system_knows_this_machine() -> None:
    """Without a network too."""
    assert {str(found[4][0]) for found in ask("localhost", 80, socket.AF_UNSPEC)} <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("name", ["gone.test", "a" * 64 + ".test", ".", "a..b", "\udcff"])
async def test_a_name_that_is_none_is_an_error_of_the_system(name: str) -> None:
    """Also where it cannot even be asked for."""

    def encode(host: str, *_: object) -> list[object]:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    names = Names(encode)  # type: ignore[arg-type]
    with pytest.raises(socket.gaierror):
        await names.resolve(name, 80)


async def test_who_asks_while_it_is_asked_shares_the_answer() -> None:
    """And one who leaves does not take it along."""
    dns = Dns({"a.test": ["10.0.0.1"]})
    dns.answers.clear()
    names = Names(dns)
    tasks = [asyncio.create_task(names.resolve("a.test", 80)) for _ in range(5)]
    await until(lambda: dns.asked)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    dns.answers.set()
    assert all(len(found) == 1 for found in await asyncio.gather(*tasks[1:]))
    assert dns.asked == ["a.test"]


async def test_an_answer_is_asked_for_again_by_the_next() -> None:
    """Nothing is kept here."""
    dns = Dns({"a.test": ["10.0.0.1"]})
    names = Names(dns)
    await names.resolve("a.test", 80)
    dns.table["a.test"] = ["10.0.0.2"]
    assert (await names.resolve("a.test", 80))[0]["host"] == "10.0.0.2"


async def test_threads_have_a_bound() -> None:
    """Past it a name server that says nothing is told as one."""
    dns = Dns({})
    dns.answers.clear()
    names = Names(dns)
    tasks = [asyncio.create_task(names.resolve(f"{n}.test", 80)) for n in range(MAX_THREADS)]
    await until(lambda: len(dns.asked) == MAX_THREADS)
    with pytest.raises(socket.gaierror):
        await names.resolve("more.test", 80)
    dns.answers.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, socket.gaierror) for each in found)


def test_a_loop_that_has_closed_meanwhile_is_not_told() -> None:
    """Its thread ends by itself, and nothing is raised in it."""
    dns = Dns({"a.test": ["10.0.0.1"]})
    dns.answers.clear()

    async def begin() -> None:
        names = Names(dns)
        task = asyncio.create_task(names.resolve("a.test", 80))
        await until(lambda: dns.asked)
        await names.close()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(begin())
    [thread] = [each for each in threading.enumerate() if each.name == "name a.test"]
    assert thread.daemon
    dns.answers.set()
    thread.join(10)
    assert not thread.is_alive()
