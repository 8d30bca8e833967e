"""Faults of polling, as a running bridge lives through them: statuses, validators, replies that say nothing new.

H09 to H14, H19, H29. What each answer does to the next poll is tried by turned clocks in `test_http_poller`.
"""

import time

import pytest
from structlog.testing import capture_logs

from bridge.sources.http import polite
from tests.http_server import Each, Reply, Request
from tests.polled import polled, text

OLD = "Sat, 01 Jan 2000 00:00:00 GMT"


class Timed:
    """Plays replies in turn, the last for ever, and keeps when each was asked for."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.times: list[float] = []
        self.reply = Each(self._next)

    @property
    def gaps(self) -> list[float]:
        """Return the seconds between the requests."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]

    def _next(self, _: Request) -> Reply:
        self.times.append(time.monotonic())
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon after failures, where a test is not about when."""
    monkeypatch.setattr(polite, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(polite, "LONGEST_DELAY", 0.2)


@pytest.mark.parametrize(("status", "phrase"), [(429, "Too Many Requests"), (503, "Service Unavailable")])
async def test_h09_h11_a_busy_server_is_left_alone_for_as_long_as_it_says(status, phrase):
    """Then it is asked again, and the stream goes on as if nothing had been."""
    timed = Timed(text("a"), text("", ("Retry-After", "2"), status=status), text("b"))
    async with polled(timed.reply) as made:
        client = await made.served.open()
        assert (await client.event()).data == "a"
        assert await made.down() == f"HOST answers {status} ({phrase})"
        assert (await client.event()).data == "b"
        await made.up()
        assert timed.gaps[1] >= 2.0
        assert client.gaps == []
        await client.until(lambda: len([each for each in client.controls if each.event == "bridge.source"]) == 2)


async def test_h10_a_date_is_kept_to_and_garbage_is_not_believed():
    """The bridge lives on with either, and so do its streams."""
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
    timed = Timed(
        text("", ("Retry-After", "soon, I hope"), status=503),
        text("", ("Retry-After", later), status=503),
        text("b"),
    )
    async with polled(timed.reply) as made:
        client = await made.served.open()
        assert (await client.event()).data == "b"
        assert timed.gaps[0] >= 0.9
        assert timed.gaps[1] >= 1.0  # a date has no fractions


async def test_h10_a_thousand_million_seconds_are_an_hour():
    """The admin port shows when the next poll is."""
    async with polled(text("", ("Retry-After", "1000000000"), status=429)) as made:
        await made.served.open()
        await made.down()
        assert 3_500 < made.shown["next_at"] - time.time() < 4_000


@pytest.mark.parametrize(
    ("status", "phrase"), [(500, "Internal Server Error"), (502, "Bad Gateway"), (504, "Gateway Timeout")]
)
async def test_h12_a_broken_server_is_asked_less_and_less_until_it_works(status, phrase):
    """A second at first, then twice that; the first reply that works makes it the interval again."""
    timed = Timed(text("", status=status), text("", status=status), text("a"), text("b"))
    async with polled(timed.reply) as made:
        client = await made.served.open()
        assert await made.down() == f"HOST answers {status} ({phrase})"
        assert [(await client.event()).data for _ in "ab"] == ["a", "b"]
        first, second, third = timed.gaps[:3]
        assert 0.9 <= first < second
        assert second >= 1.8
        assert third < second


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("status", "hint"), [(401, "wants credentials"), (403, "credentials do not suffice")])
async def test_h13_who_is_not_let_in_says_so_and_what_to_do(status, hint):
    """The stream stays open; once the credentials are right it goes on."""
    async with polled(text("secret", status=status)) as made:
        client = await made.served.open()
        assert hint in await made.down()
        told = (await client.control("source")).told
        assert (told["state"], hint in told["error"]) == ("down", True)
        made.server.play(text("a"))
        assert (await client.event()).data == "a"
        await made.up()
        assert b"secret" not in client.raw


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("status", "hint"), [(404, "nothing under this address"), (410, "gone for good")])
async def test_h14_what_is_not_there_may_come(status, hint):
    """A page that is gone keeps its streams, for whoever deployed the wrong version."""
    async with polled(text("a"), text("", status=status)) as made:
        client = await made.served.open()
        assert (await client.event()).data == "a"
        assert hint in await made.down()
        made.server.play(text("b"))
        assert (await client.event()).data == "b"


@pytest.mark.usefixtures("soon")
async def test_h14_one_address_that_is_not_there_does_not_take_the_others_down():
    """The source is up as long as one works, and the log names the other."""
    async with polled(
        text("", status=404), route="/p/{x}", query="?x={x}", params={"x": {"in": ["here", "gone"]}}
    ) as made:
        made.server.play(Each(lambda request: text("a") if request.target.endswith("=here") else text("", status=404)))
        with capture_logs() as logs:
            here = await made.served.open("/p/here")
            assert (await here.event()).data == "a"
            gone = await made.served.open("/p/gone")
            asked = made.requests
            await made.server.asked(asked + 6)
        assert made.status.state == "up"
        assert gone.events == []
        reasons = [(each["event"], each["address"]) for each in logs if "address" in each]
        assert reasons == [("a poll failed", made.server.url("/page"))]


async def test_h19_validators_go_back_and_304_changes_nothing():
    """Neither for who is there nor for who comes."""
    tagged = text("a", ("ETag", 'W/"1"'), ("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"))
    async with polled(tagged, text("", status=304)) as made:
        client = await made.served.open()
        assert (await client.event()).data == "a"
        last = await made.server.asked(4)
        assert (last.header("If-None-Match"), last.header("If-Modified-Since")) == (
            'W/"1"',
            "Sat, 01 Jan 2000 00:00:00 GMT",
        )
        newcomer = await made.served.open()
        assert (await newcomer.event()).data == "a"
        made.server.play(text("b", ("ETag", '"2"')), text("b", ("ETag", '"3"')), text("c"))
        assert [(await client.event()).data for _ in "bc"] == ["b", "c"]
        # One that was opened before is greeted once, and has each change once.
        assert [(await newcomer.event()).data for _ in "bc"] == ["b", "c"]
        assert made.status.state == "up"
        # They keep to one connection.
        assert made.server.connections == 1


async def test_h19_a_304_of_another_page_behind_a_redirect_is_not_believed():
    """The query of a redirect says which page it is; what was modified before the last one is news all the same."""
    version = "1"

    def play(request: Request) -> Reply:
        if request.path == "/page":
            return text("", ("Location", f"/file?v={version}"), status=302)
        is_known = request.header("If-Modified-Since") is not None
        return text("" if is_known else request.target, ("Last-Modified", OLD), status=304 if is_known else 200)

    async with polled(Each(play)) as made:
        client = await made.served.open()
        assert (await client.event()).data == "/file?v=1"
        version = "2"
        assert (await client.event()).data == "/file?v=2"


async def test_h29_an_identical_body_is_no_event():
    """It is counted all the same."""
    async with polled(text("a")) as made:
        client = await made.served.open()
        assert (await client.event()).data == "a"
        await made.server.asked(5)
        made.server.play(text("b"))
        assert (await client.event()).data == "b"
        assert client.data == ["a", "b"]
        assert made.shown["unchanged"] >= 3
        assert made.shown["replies"] == made.shown["unchanged"] + 2
        assert made.shown["bytes"] == made.shown["wire"] == made.shown["replies"]
