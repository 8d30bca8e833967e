"""A real broker's ends, as `Place.behind` tells them."""

import pytest

from bridge.sources.base import Place
from tests.kafka_source import listening
from tests.support import until


@pytest.mark.parametrize("keys", [{}, {"group": "readers"}], ids=["alone", "in a group"])
async def test_who_has_read_all_is_behind_by_nothing(kafka, talk, topic, keys):
    """Also where a topic ends in the mark of a transaction, which is no message."""
    await talk.create(topic)
    await talk.transactions(topic)
    place = Place(name="k")
    assert place.behind() is None
    async with listening(kafka.address, topic, place=place, **keys) as heard:
        await heard.payloads(8)
        await until(lambda: place.behind() == 0)
        await talk.numbers(topic, range(11, 20))
        await heard.payloads(17)
        await until(lambda: place.behind() == 0)
    assert place.behind() is None
