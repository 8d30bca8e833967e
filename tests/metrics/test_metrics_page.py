"""The answer to a scrape: both formats, on both listeners, one at a time, and in turns."""

import asyncio

import pytest
from hypothesis import given, strategies as st

from bridge.event import Message
from bridge.metrics.metric import PREFIX
from bridge.metrics.page import SIGNS
from bridge.metrics.text import escaped
from tests.metrics.scrape import OPEN, Scrape, asked, scraped
from tests.support import PLAIN, SERVER, running

HEALTH = SERVER.replace("}", ", health: 127.0.0.1:0}")


async def test_both_formats_say_the_same() -> None:
    """The format is by the Accept header; names and values are the same in both."""
    async with running(HEALTH + PLAIN) as served:
        served.publish("a")
        await served.open()
        port = served.bridge.listeners.health.port
        plain, opened = await asked(port), await asked(port, accept=OPEN)
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert opened.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert opened.body.endswith(b"\n# EOF\n")
        one, other = Scrape.parse(plain.body.decode()), Scrape.parse(opened.body.decode(), is_open=True)
        ours = [{name for name, _ in each.samples if name.startswith(PREFIX)} for each in (one, other)]
        assert ours[0] == ours[1]
        assert one.of("route_events_total", route="/p") == other.of("route_events_total", route="/p") == 1
        assert ("process_start_time_seconds", frozenset()) in one.samples.keys() & other.samples.keys()


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        # Prometheus 2.42, and 3: what it likes best comes first.
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*", True),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0", True),
        ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text", True),
        ("application/openmetrics-text;version=0.0.1,text/plain", False),
        ("application/openmetrics-text;version=garbage;;=;x", False),
        ("text/html,*/*", False),
    ],
)
async def test_the_format_is_one_that_was_asked_for(accept: str, is_open: bool) -> None:  # noqa: FBT001
    """What is not understood gets the older format, which everybody reads."""
    async with running() as served:
        answer = await asked(served.bridge.admin.port, accept=accept)
        assert answer.status == 200
        assert answer.body.endswith(b"# EOF\n") == is_open


@pytest.mark.parametrize("listener", ["health", "admin"])
async def test_head_and_other_methods(listener: str) -> None:
    """HEAD has the head alone; what is no question is refused."""
    async with running(HEALTH + PLAIN) as served:
        port = getattr(served.bridge.listeners, listener).port
        head = await asked(port, method="HEAD")
        assert (head.status, bytes(head.body)) == (200, b"")
        assert int(head.headers["content-length"]) > 1_000
        refused = await asked(port, method="POST")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_nothing_of_it_is_public() -> None:
    """The public port knows no such address."""
    async with running() as served:
        assert (await asked(served.port)).status == 404


async def test_names_of_the_configuration_are_escaped() -> None:
    """A route's path may hold what ends a label, and what a subscriber gives for a name is in none."""
    route = '/a"b/{x}'
    async with running("sources: {p: {kind: push, subject: '{x}'}}\nroutes: {'" + route + "': {from: p}}\n") as served:
        served.publish("a", x="secret-channel")
        for accept in ("", OPEN):
            found = await scraped(served, accept)
            assert found.of("route_events_total", route=route) == 1
            assert not any("secret" in value for _, labels in found.samples for _, value in labels)


@given(st.text())
def test_any_text_can_be_a_label(text: str) -> None:
    """Both parsers read back what was written."""
    for is_open in (False, True):
        found = Scrape.parse(f'# TYPE x gauge\nx{{y="{escaped(text)}"}} 1\n' + "# EOF\n" * is_open, is_open=is_open)
        assert [dict(labels)["y"] for _, labels in found.samples] == [text]


async def test_who_asks_meanwhile_is_given_the_same() -> None:
    """Ten who ask at a time cost one look, and one who leaves takes it from nobody."""
    async with running() as served:
        handle = served.bridge._probes.metrics
        assert handle is not None
        page = handle.__self__  # type: ignore[attr-defined]
        asking = [asyncio.create_task(page.scrape()) for _ in range(10)]
        await asyncio.sleep(0)
        asking.pop(0).cancel()
        answers = await asyncio.gather(*asking)
        assert len({id(answer) for answer in answers}) == 1
        assert await page.scrape() is not answers[0]


async def test_a_scrape_gives_way() -> None:
    """Of many routes it is made over many turns of the loop."""
    routes = "".join(f"  /r{number}: {{from: p}}\n" for number in range(100))
    async with running(f"sources: {{p: {{kind: push}}}}\nroutes:\n{routes}") as served:
        handle = served.bridge._probes.metrics
        assert handle is not None
        turns = 0
        scrape = asyncio.create_task(handle.__self__.scrape())  # type: ignore[attr-defined]
        while not scrape.done():
            turns += 1
            await asyncio.sleep(0)
        body = scrape.result()
        assert turns >= len(body) // (2 * SIGNS) > 3
        assert len(Scrape.parse(body.decode()).labels("route_channels")) == 100


async def test_channels_make_no_series() -> None:
    """However many channels and peers there are, a scrape has as many series as before."""
    text = "sources: {p: {kind: push, subject: '{x}'}}\nroutes: {'/{x}': {from: p}}\n"
    async with running(text) as served:
        served.publish("a", x="0")
        before = await scraped(served)
        inlet = served.bridge.intakes["p"].inlet
        inlet.emit([Message(b"x", 0.0, captures={"x": str(number)}) for number in range(1_000)])
        await served.open("/7")
        after = await scraped(served)
        assert after.samples.keys() == before.samples.keys()
        assert after.of("route_channels", route="/{x}") == 1_000
