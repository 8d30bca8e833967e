"""Who is polled, how the source is, and what a newcomer is greeted with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import pytest
from structlog.testing import capture_logs

from bridge.demand import Demand
from bridge.errors import SourceError
from bridge.sources.base import Place
from bridge.sources.http import follow as module
from bridge.sources.http.follow import follow
from bridge.sources.web.trouble import WebError
from tests.polling import Canned, Hands, Heard, Replies, plan
from tests.support import until

CURRENCIES = {"url": "http://a.test/{currency}?q={lang}", "params": {"lang": {"in": ["de", "en"]},
              "currency": {"in": ["EUR", "USD"]}}}  # fmt: skip


class ByAddress(Replies):
    """A client whose replies depend on the address; tests change them as they go."""

    def __init__(self, replies: Mapping[str, Canned | WebError]) -> None:
        super().__init__()
        self.by = dict(replies)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def open(self, captures: Mapping[str, str], **more: Any) -> Canned:
        """Answer for an address."""
        self.replies = [self.by[captures.get("currency", "")]]
        return await super().open(captures, **more)


class Scene:
    """A run of a source, who listens to it, and what it said."""

    def __init__(self, client: ByAddress, keys: Mapping[str, Any]) -> None:
        self.plan = plan(**keys)
        self.client = client
        self.demand = Demand(tuple(self.plan.params), at_once=self.plan.at_once)
        self.place = Place(name="p", demand=self.demand)
        self.heard = Heard()
        self.hands = Hands()

    def listen(self, currency: str = "", lang: str = "de") -> None:
        """Open a stream."""
        self.demand.enter({"currency": currency, "lang": lang})

    def leave(self, currency: str = "", lang: str = "de") -> None:
        """Close it."""
        self.demand.leave({"currency": currency, "lang": lang})

    @property
    def states(self) -> dict[str, object]:
        """Return the state of each address."""
        shown: Any = self.place.detail()["addresses"]
        return {each["captures"].get("currency", ""): each["state"] for each in shown}

    async def asked(self, more: int = 1) -> None:
        """Wait until so many more polls have been made."""
        count = len(self.client.asked) + more
        await until(lambda: len(self.client.asked) >= count)

    async def told(self, *words: str) -> None:
        """Wait until the source has said just this of its state."""
        await until(lambda: self.heard.told == list(words))


@contextlib.asynccontextmanager
async def scene(monkeypatch: pytest.MonkeyPatch, replies: Any, **keys: Any) -> AsyncIterator[Scene]:
    """Run a source whose clocks are turned by its own waits."""
    client = ByAddress(replies if isinstance(replies, Mapping) else {"": replies})
    monkeypatch.setattr(module, "Client", lambda _: client)
    made = Scene(client, {"linger": "0s", **keys})
    running = asyncio.create_task(follow(made.plan, made.heard, made.place, made.hands.chance))
    try:
        await made.told("up")
        yield made
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_without_a_listener_nothing_is_asked(monkeypatch):
    """And to wait for one is no fault."""
    async with scene(monkeypatch, Canned()) as made:
        assert made.client.asked == []
        assert made.place.detail() == {"addresses": []}
        made.listen()
        await made.asked(2)
        made.leave()
        await until(lambda: made.states == {"": "idle"})
        count = len(made.client.asked)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(made.client.asked) == count


async def test_each_address_is_polled_by_itself(monkeypatch):
    """Its values are those of its listeners, in the order of the address."""
    async with scene(monkeypatch, {"EUR": Canned("1"), "USD": Canned("2")}, **CURRENCIES) as made:
        made.listen("EUR")
        made.listen("USD", "en")
        await until(lambda: len(made.heard.messages) == 2)
        assert {(m.payload, m.captures["currency"], m.captures["lang"], m.subject) for m in made.heard.messages} == {
            ("1", "EUR", "de", "/EUR"),
            ("2", "USD", "en", "/USD"),
        }


async def test_a_newcomer_is_greeted_with_what_is_known(monkeypatch):
    """Of its own address; also by a run that began anew, and of one that nobody listened to."""
    async with scene(monkeypatch, {"EUR": Canned("1"), "USD": Canned("2")}, **CURRENCIES) as made:
        made.listen("EUR")
        await until(lambda: made.heard.messages)
        made.leave("EUR")
        await until(lambda: made.states["EUR"] == "idle")
        here, elsewhere = ({"lang": "de", "currency": each, "more": "x"} for each in ("EUR", "USD"))
        assert [each.payload for each in made.place.present(here)] == ["1"]
        assert list(made.place.present(elsewhere)) == []
        again = asyncio.create_task(follow(made.plan, made.heard, made.place, made.hands.chance))
        await asyncio.sleep(0)
        assert [each.payload for each in made.place.present(here)] == ["1"]
        again.cancel()


async def test_the_source_is_down_when_all_its_addresses_fail(monkeypatch):
    """And up with the first that works."""
    down = Canned(status=500)
    async with scene(monkeypatch, {"EUR": Canned("1"), "USD": down}, **CURRENCIES) as made:
        made.listen("USD")
        await made.told("up", "a.test answers 500 (Internal Server Error)")
        made.listen("EUR")
        await made.told("up", "a.test answers 500 (Internal Server Error)", "up")
        await until(lambda: made.states == {"EUR": "up", "USD": "down"})
        made.client.by["EUR"] = WebError("a.test refuses the connection")
        # The words of the first: who was asked last changes all the time.
        await until(lambda: made.heard.told[3:] == ["a.test answers 500 (Internal Server Error)"])


async def test_an_address_that_nobody_listens_to_has_no_say(monkeypatch):
    """It works, or did when it was asked last."""
    async with scene(monkeypatch, {"EUR": Canned("1"), "USD": Canned(status=500)}, **CURRENCIES) as made:
        made.listen("EUR")
        made.listen("USD")
        await until(lambda: made.states == {"EUR": "up", "USD": "down"})
        assert made.heard.told == ["up"]
        made.leave("EUR")
        await until(lambda: made.heard.told[1:])
        assert made.heard.told[1].startswith("a.test answers 500")


async def test_a_value_that_the_server_does_not_know_says_nothing_of_the_source(monkeypatch):
    """Any visitor may ask for one."""
    async with scene(monkeypatch, {"EUR": Canned(status=404), "USD": Canned(status=500)}, **CURRENCIES) as made:
        made.listen("EUR")
        await until(lambda: made.states == {"EUR": "down"})
        assert made.heard.told == ["up"]
        made.listen("USD")
        await until(lambda: made.heard.told[1:])
        made.leave("USD")
        made.leave("EUR")
        await until(lambda: made.heard.told[2:])
        assert made.heard.told[2] == "up"


async def test_who_listens_to_an_address_is_told_how_it_is(monkeypatch):
    """Of that one alone, and that it works again; what nobody listens to is down no longer."""
    async with scene(monkeypatch, {"EUR": Canned(status=500), "USD": Canned("1")}, **CURRENCIES) as made:
        made.listen("EUR")
        made.listen("USD")
        await until(lambda: [each for each in made.heard.addresses if each[1]])
        made.client.by["EUR"] = Canned("1")
        await until(lambda: len([each for each in made.heard.addresses if each[0]["currency"] == "EUR"]) == 2)
        made.client.by["EUR"] = Canned(status=404)
        await until(lambda: len([each for each in made.heard.addresses if each[0]["currency"] == "EUR"]) == 3)
        made.leave("EUR")
        await until(lambda: len([each for each in made.heard.addresses if each[0]["currency"] == "EUR"]) == 4)
        euro = [words for of, words in made.heard.addresses if of["currency"] == "EUR"]
        assert [words and words[:17] for words in euro] == ["a.test answers 50", None, "a.test answers 40", None]
        assert {words for of, words in made.heard.addresses if of["currency"] == "USD"} == {None}


async def test_a_failure_is_logged_once_for_each_reason(monkeypatch):
    """By the address, without its query; and once more when it works again."""
    with capture_logs() as logs:
        async with scene(monkeypatch, {"EUR": Canned(status=500)}, **CURRENCIES) as made:
            made.listen("EUR")
            await made.asked(5)
            made.client.by["EUR"] = Canned(status=404)
            await made.asked(5)
            made.client.by["EUR"] = Canned()
            await until(lambda: made.heard.messages)
    address = "http://a.test/EUR"
    assert [(each["event"], each["source"], each["address"]) for each in logs] == [
        ("a poll failed", "p", address),
        ("a poll failed", "p", address),
        ("polls work again", "p", address),
    ]
    assert [each.get("reason", "")[:17] for each in logs] == ["a.test answers 50", "a.test answers 40", ""]


async def test_where_there_is_one_address_the_state_of_the_source_says_it_all(monkeypatch):
    """So the log does not say it twice."""
    with capture_logs() as logs:
        async with scene(monkeypatch, Canned(status=500)) as made:
            made.listen()
            await made.asked(3)
    assert logs == []


async def test_what_is_forgotten_is_taken_back(monkeypatch):
    """Each of its items, so that no table keeps what nobody looks after."""
    async with scene(
        monkeypatch,
        {name: Canned(f'[{{"id": "{name}"}}]') for name in "abcd"},
        url="http://a.test/{currency}",
        params={"currency": {"pattern": "."}},
        at_once=1,
        emit="items",
        key="id",
        format="json",
    ) as made:
        for name in "abc":
            made.listen(name)
            await until(lambda name=name: made.states.get(name) == "up")
            made.leave(name)
            await until(lambda name=name: made.states.get(name) == "idle")
        assert list(made.states) == ["b", "c"]
        removed = [each for each in made.heard.messages if each.type == "removed"]
        assert [(each.captures, each.is_tombstone) for each in removed] == [({"currency": "a"}, True)]


async def test_all_addresses_are_listed_where_the_file_names_them(monkeypatch):
    """Each pair of values; and none where they have a pattern."""
    async with scene(monkeypatch, {}, **CURRENCIES) as made:
        assert made.place.entries() == [
            {"currency": currency, "lang": lang} for currency in ("EUR", "USD") for lang in ("de", "en")
        ]
    many = {f"n{n}": {"in": [str(each) for each in range(100)]} for n in range(8)}
    url = "http://a.test/" + "/".join(f"{{{name}}}" for name in many)
    assert len(plan(url=url, params=many).entries() or ()) == 10_000
    assert plan().entries() is None
    assert plan(url="http://a.test/{x}", params={"x": {"pattern": "a"}}).entries() is None


async def test_a_source_that_nobody_can_listen_to_says_so():
    """It would wait for ever."""
    with pytest.raises(SourceError):
        await follow(plan(), Heard(), Place(name="p"))
