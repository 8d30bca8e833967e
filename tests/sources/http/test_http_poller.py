"""One address, asked again and again: by clocks that tests turn, of a server that answers what they planned."""

import asyncio
import threading
from contextlib import aclosing
from typing import Any

import pytest

from bridge.sources.http.emission import LIGHT, Emission, News, Reply
from bridge.sources.http.memory import Known
from bridge.sources.http.poller import Poller
from bridge.sources.web.trouble import WebError
from tests.polling import WALL, Canned, Hands, Heard, Replies, plan

CURRENCIES = {"url": "http://a.test/{currency}", "params": {"currency": {"pattern": ".*"}}}


class Run:
    """A poller of one address, and what it did."""

    def __init__(self, *replies: Canned | WebError, **keys: Any) -> None:
        self.plan = plan(**keys)
        self.hands = Hands()
        self.client = Replies(*replies)
        self.heard = Heard()
        self.known = Known({}, self.plan.rules)
        self.poller = Poller(self.plan, self.client, self.heard, self.hands.chance)  # type: ignore[arg-type]
        #: The steady clock at each request's end.
        self.times: list[float] = []

    async def polls(self, count: int) -> "Run":
        """Poll so often."""
        async with aclosing(self.poller.follow(self.known)) as polls:
            for _ in range(count):
                await anext(polls)
                self.times.append(round(self.hands.now - 50.0, 3))
        return self

    @property
    def sent(self) -> list[Any]:
        """Return the validators of each request."""
        return [(h.get("If-None-Match"), h.get("If-Modified-Since")) for _, _, h, _ in self.client.asked]

    @property
    def said(self) -> list[str | bytes]:
        """Return what was emitted."""
        return [each.payload for each in self.heard.messages]


async def test_the_first_poll_is_at_once_and_the_others_follow_at_the_interval():
    """Each is an event, where all are emitted."""
    run = await Run(Canned("a"), Canned("b"), Canned("c"), emit="always").polls(3)
    assert run.times == [0, 10, 20]
    assert run.said == ["a", "b", "c"]
    assert [(m.subject, m.facts["status"]) for m in run.heard.messages] == [("/p", 200)] * 3


async def test_who_comes_back_does_not_hurry_the_next_poll():
    """A page that is opened and closed all the time costs its server nothing."""
    run = await Run(Canned()).polls(1)
    run.hands.now += 3
    await run.polls(1)
    run.hands.now += 60
    await run.polls(1)
    assert run.times == [0, 10, 70]


async def test_who_comes_back_does_not_hurry_a_server_that_asked_for_a_pause():
    """Nor one that fails."""
    run = await Run(Canned(status=503, headers=[("Retry-After", "600")]), Canned()).polls(1)
    run.hands.now += 100
    await run.polls(1)
    assert run.times == [0, 630]


async def test_who_left_during_a_poll_does_not_ask_twice_either():
    """The poll that was given up counts."""
    run = Run(Canned(wait=lambda: asyncio.Event().wait()))
    polls = run.poller.follow(run.known)
    first = asyncio.ensure_future(anext(polls))
    while not run.client.asked:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    run.client.replies = [Canned()]
    await run.polls(1)
    assert run.times == [10]
    assert run.known.failed == 0


async def test_h30_a_reply_that_is_slower_than_the_interval_takes_the_next_slot():
    """Nothing overlaps, and nothing is made up for."""
    run = Run()
    run.client.replies = [Canned(wait=lambda: run.hands.sleep(24.0)), Canned()]
    await run.polls(3)
    assert run.times == [24, 30, 40]
    assert run.client.most == 1


async def test_h31_a_wall_clock_that_jumps_moves_no_poll():
    """Neither forward nor back."""
    run = await Run(Canned()).polls(1)
    run.hands.offset += 86_400
    await run.polls(1)
    run.hands.offset -= 30 * 86_400
    await run.polls(1)
    assert run.times == [0, 10, 20]


# -- validators


ETAG = 'W/"x-y"'


async def test_h19_an_entity_tag_goes_back_as_it_came_and_304_keeps_it():
    """A weak one too; what was known stays."""
    tagged = Canned("a", headers=[("ETag", ETAG), ("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")])
    run = await Run(tagged, Canned(status=304), Canned(status=304, headers=[("ETag", '"z"')]), emit="changes").polls(4)
    assert run.sent == [(None, None)] + [(ETAG, "Sat, 01 Jan 2000 00:00:00 GMT")] * 3
    assert run.said == ["a"]
    assert (run.known.replies, run.known.unchanged, run.known.failed) == (4, 3, 0)


async def test_h19_a_304_is_an_event_where_each_reply_is_one():
    """The last value once more."""
    run = await Run(Canned("a", headers=[("ETag", ETAG)]), Canned(status=304), emit="always").polls(2)
    assert run.said == ["a", "a"]


async def test_h19_an_entity_tag_that_changes_over_an_equal_body_is_no_news():
    """The content decides; and the new tag is the one that goes back."""
    first, second = (Canned("a", headers=[("ETag", tag)]) for tag in ('"1"', '"2"'))
    run = await Run(first, second).polls(3)
    assert run.said == ["a"]
    assert [tag for tag, _ in run.sent] == [None, '"1"', '"2"']


async def test_h29_an_identical_body_is_no_news():
    """However often it comes."""
    run = await Run(Canned("a")).polls(5)
    assert run.said == ["a"]
    assert (run.known.replies, run.known.unchanged) == (5, 4)


async def test_a_reply_without_validators_takes_the_old_ones_away():
    """They were another reply's."""
    run = await Run(Canned(headers=[("ETag", '"1"')]), Canned(), Canned()).polls(3)
    assert [tag for tag, _ in run.sent] == [None, '"1"', None]


async def test_a_reply_that_cannot_be_read_takes_the_validators_away():
    """So the next one comes whole."""
    good, bad = (Canned(text, headers=[("ETag", '"1"')]) for text in ("{}", "<html>"))
    run = await Run(good, bad, good, format="json").polls(3)
    assert [tag for tag, _ in run.sent] == [None, '"1"', None]
    assert (run.known.replies, run.known.failed) == (2, 1)


@pytest.mark.parametrize("tag", ["*", '"a", "b"', "a b", '"' + "x" * 600 + '"', '"é"', "", '"\x7f"'])
async def test_what_is_no_entity_tag_does_not_go_back(tag):
    """Least of all the one that fits every page."""
    run = await Run(Canned(headers=[("ETag", tag), ("Last-Modified", "\x80")])).polls(2)
    assert run.sent == [(None, None)] * 2


async def test_a_304_that_nobody_asked_for_is_a_failure():
    """There is nothing that it could stand for."""
    run = await Run(Canned(status=304)).polls(1)
    assert run.known.words == "a.test answers 304 (Not Modified)"


async def test_a_304_from_where_a_redirect_leads_now_is_not_believed():
    """The same tag may stand for another page there."""
    run = await Run(Canned(headers=[("ETag", '"1"')]), Canned(status=304, url="http://b.test/"), Canned()).polls(3)
    assert [tag for tag, _ in run.sent] == [None, '"1"', None]
    assert run.known.failed == 1


async def test_a_post_sends_its_body_and_no_validators():
    """They would make another request of it (RFC 9110, 13.1.2)."""
    run = await Run(Canned(headers=[("ETag", '"1"')]), method="POST", body={"a": 1}).polls(2)
    assert run.client.asked == [({}, "POST", {"Content-Type": "application/json"}, b'{"a":1}')] * 2


# -- how soon


async def test_a_fresh_reply_puts_the_next_poll_off():
    """By its age less, and not where the file says otherwise."""
    fresh = Canned(headers=[("Cache-Control", "public"), ("Cache-Control", "max-age=60"), ("Age", "20")])
    assert (await Run(fresh).polls(3)).times == [0, 40.5, 81]
    assert (await Run(fresh, cache="ignore").polls(3)).times == [0, 10, 20]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("60", 63),
        ("0", 10.5),
        ("1000000000", 3_780),
        ("Sun, 09 Sep 2001 01:48:20 GMT", 105),
        ("Sun, 09 Sep 2001 01:00:00 GMT", 10.5),
        ("soon", 10),
    ],
)
async def test_h09_h10_h11_a_server_that_is_busy_says_when_to_come_back(status, text, wait):
    """Or says nothing that one can read, and then it is a failure like others."""
    run = await Run(Canned(status=status, headers=[("Retry-After", text)]), Canned()).polls(2)
    assert run.times == [0, wait]
    assert run.known.failures == 0


async def test_retry_after_of_other_statuses_is_not_kept_to():
    """It has no meaning there for us."""
    run = await Run(Canned(status=500, headers=[("Retry-After", "60")]), Canned()).polls(2)
    assert run.times == [0, 10]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_h12_failures_are_tried_again_later_and_later_until_one_works(status):
    """Then it is the interval again, and the count is forgotten."""
    down = Canned(status=status)
    run = await Run(down, down, down, down, Canned(), Canned(), down).polls(8)
    assert run.times == [0, 10, 30, 70, 150, 160, 170, 180]


async def test_a_failure_without_an_answer_is_one_too():
    """Its words are the client's."""
    run = await Run(WebError("a.test refuses the connection")).polls(3)
    assert run.times == [0, 10, 30]
    assert run.known.words == "a.test refuses the connection"
    assert run.known.status == 0


async def test_h02_a_poll_ends_when_its_time_is_over():
    """Whatever its server still sends."""
    run = await Run(Canned("abc", drips=True), timeout="100ms").polls(1)
    assert run.known.words == "a.test did not finish its answer within 100ms"
    assert (run.known.wire, run.known.bytes) == (3, 0)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "a.test answers 401 (Unauthorized): it wants credentials, or others than ours"),
        (403, "a.test answers 403 (Forbidden): our credentials do not suffice, or it lets nobody in"),
        (404, "a.test answers 404 (Not Found): there is nothing under this address"),
        (410, "a.test answers 410 (Gone): what was there is gone for good"),
        (206, "a.test answers 206 (Partial Content)"),
        (500, "a.test answers 500 (Internal Server Error)"),
        (799, "a.test answers 799"),
    ],
)
async def test_h13_h14_a_status_is_told_in_words(status, words):
    """With what one may do about it; the reply's body is nobody's news."""
    reply = Canned("secret", status=status)
    run = await Run(reply, emit="always").polls(1)
    assert (run.known.words, run.known.status, run.said) == (words, status, [])
    assert reply.is_closed


async def test_values_that_make_no_address_are_told_in_words():
    """They are not asked for, and named nowhere."""
    run = Run(Canned(), **CURRENCIES)
    run.known = Known({"currency": ".."}, run.plan.rules)
    await run.polls(1)
    assert not run.client.asked
    assert run.known.words.startswith("a.test is not asked: ")
    assert ".." not in run.known.words.split(": ")[0]


# -- cron


async def test_a_cron_line_polls_at_once_and_then_at_its_times():
    """A half second after them, as was drawn; `WALL` is 46:40 past one."""
    run = await Run(Canned(), cron="*/5 * * * *").polls(3)
    assert run.times == [0, 200.5, 500.5]


async def test_who_comes_back_waits_for_the_cron_line():
    """Unless it has passed meanwhile."""
    run = await Run(Canned(), cron="*/5 * * * *").polls(1)
    await run.polls(1)
    run.hands.now += 600
    await run.polls(1)
    assert run.times == [0, 200.5, 800.5]


async def test_a_failure_does_not_wait_for_the_cron_line():
    """A report of the night is there before the next one."""
    down = Canned(status=500)
    run = await Run(down, down, Canned(), cron="0 0 * * *").polls(3)
    assert run.times == [0, 1, 3]


async def test_a_fresh_reply_puts_off_a_cron_line():
    """Until it is stale, not until the line's next time."""
    run = await Run(Canned(headers=[("Cache-Control", "max-age=450")]), cron="*/5 * * * *").polls(3)
    assert run.times == [0, 450.05, 900.1]


async def test_the_wall_clock_is_in_replies_alone():
    """The time of a message is when it arrived."""
    run = await Run(Canned(), emit="always").polls(2)
    assert [each.time for each in run.heard.messages] == [WALL, WALL + 10]


async def test_a_large_reply_is_taken_apart_beside_the_loop():
    """And is an event all the same; one who left meanwhile changed nothing."""
    run = Run(Canned("x" * 100_000), emit="always")
    polls = run.poller.follow(run.known)
    first = asyncio.ensure_future(anext(polls))
    while not run.known.bytes:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert list(run.known.emission.present()) == []
    await run.polls(1)
    assert [len(each) for each in run.said] == [100_000]


async def test_what_takes_long_is_weighed_beside_the_loop(monkeypatch):
    """A patch of some kilobytes may take half a second, in which no stream would be served."""
    threads: list[bool] = []
    weigh = Emission.weigh
    here = threading.get_ident()

    def watched(self: Emission, reply: Reply) -> News:
        threads.append(threading.get_ident() != here)
        return weigh(self, reply)

    monkeypatch.setattr(Emission, "weigh", watched)
    await Run(Canned("x" * LIGHT), Canned("x" * (LIGHT + 1))).polls(2)
    assert threads == [False, True]


async def test_what_a_redirect_with_a_query_leads_to_is_always_asked_for_whole():
    """With the next redirect the same path may be another page, and its 304 would be about that one."""
    tag = ("ETag", '"1"')
    one, two, three = Canned("a", headers=[tag]), Canned("b", headers=[tag]), Canned("", status=304)
    one.is_fleeting = True
    three.is_fleeting = True
    run = await Run(one, two, three, Canned("c")).polls(4)
    assert run.sent == [(None, None), (None, None), ('"1"', None), (None, None)]
    assert run.said == ["a", "b", "c"]
    assert run.known.failed == 1
