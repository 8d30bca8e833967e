"""The values that cross the bridge."""

import gc

import msgspec
import orjson
import pytest

from bridge.event import EMPTY, NO_FACTS, Loss, Message, Record, cloudevent
from tests.hub import event


@pytest.mark.parametrize("value", [Message(payload=b"", time=0.0), event(), Record(1, 0.0, b""), Loss(reason="slow")])
def test_values_do_not_change(value):
    """A hop returns a new one."""
    with pytest.raises(AttributeError):
        setattr(value, msgspec.structs.fields(value)[0].name, None)


@pytest.mark.parametrize("value", [Message(payload=b"", time=0.0), event(), Record(1, 0.0, b"")])
def test_the_collector_does_not_walk_the_history(value):
    """A million kept records would otherwise cost a pause each time."""
    assert not gc.is_tracked(value)


@pytest.mark.parametrize("empty", [EMPTY, NO_FACTS])
def test_defaults_cannot_be_changed(empty):
    """They are shared by all messages."""
    with pytest.raises(TypeError):
        empty["a"] = "b"


def test_a_cloudevent_leaves_out_what_is_not_known():
    """An empty subject or empty data is no attribute; the type and the media type have defaults."""
    found = orjson.loads(cloudevent(event(""), "e-1"))
    assert found == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "s",
        "type": "message",
        "time": "1970-01-01T00:00:00Z",
        "datacontenttype": "text/plain",
    }


@pytest.mark.parametrize("time", [-1.0, 0.0, 1_795_257_600.25, 253_402_300_799.0])
def test_a_cloudevent_tells_its_time_in_utc(time):
    """As RFC 3339 writes it."""
    assert orjson.loads(cloudevent(event(time=time), "e-1"))["time"].endswith("Z")
