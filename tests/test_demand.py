"""Which addresses are listened to, and when a source hears of it."""

import asyncio
from contextlib import suppress

import pytest

from bridge.demand import Demand

EUR, USD = {"currency": "EUR"}, {"currency": "USD"}
ASKED_EUR = (("currency", "EUR"),)


def demand(at_once: int = 10) -> Demand:
    """Make the demand of a source that asks for a currency."""
    return Demand(["currency"], at_once=at_once)


async def has_changed(of: Demand) -> bool:
    """Tell whether the source would be woken now."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await of.changed()
            return True
    return False


async def test_streams_of_one_address_are_counted_together():
    """Streams of one address are counted together."""
    asked = demand()
    asked.enter(EUR)
    asked.enter(EUR)
    asked.leave(EUR)
    assert asked.wanted == {ASKED_EUR: 1}
    asked.leave(EUR)
    assert asked.wanted == {}


async def test_a_source_without_names_has_one_address():
    """A source without names has one address."""
    asked = Demand(at_once=1)
    asked.enter({"other": "x"})
    asked.enter({"other": "y"})
    assert asked.wanted == {(): 2}


async def test_names_that_the_source_does_not_ask_for_make_no_address():
    """Names that the source does not ask for make no address."""
    asked = demand()
    asked.enter({**EUR, "room": "1"})
    asked.enter({"room": "2", **EUR})
    assert asked.wanted == {ASKED_EUR: 2}


async def test_the_source_hears_of_a_first_and_of_a_last_listener_alone():
    """The source hears of a first and of a last listener alone."""
    asked = demand()
    assert not await has_changed(asked)
    asked.enter(EUR)
    assert await has_changed(asked)
    asked.enter(EUR)
    asked.leave(EUR)
    assert not await has_changed(asked)
    asked.leave(EUR)
    assert await has_changed(asked)


async def test_what_changes_while_nobody_waits_is_heard_once():
    """What changes while nobody waits is heard once."""
    asked = demand()
    asked.enter(EUR)
    asked.enter(USD)
    asked.leave(USD)
    assert await has_changed(asked)
    assert not await has_changed(asked)


async def test_a_waiting_source_is_woken():
    """A waiting source is woken."""
    asked = demand()
    waiting = asyncio.create_task(asked.changed())
    await asyncio.sleep(0)
    asked.enter(EUR)
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize(("captures", "room"), [(EUR, True), (USD, False)])
async def test_past_its_bound_only_addresses_that_are_listened_to_have_room(captures: dict[str, str], *, room: bool):
    """Past its bound only addresses that are listened to have room."""
    asked = demand(at_once=1)
    asked.enter(EUR)
    assert asked.has_room(captures) is room


async def test_an_address_that_was_left_makes_room():
    """An address that was left makes room."""
    asked = demand(at_once=1)
    asked.enter(EUR)
    asked.leave(EUR)
    assert asked.has_room(USD)
