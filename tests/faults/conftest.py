"""Faults of clients are tried on both loops."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest

from bridge.gateway import connection
from tests.fake_mqtt import fake
from tests.mosquitto import mosquitto
from tests.support import LOOPS, ONE_LOOP

#: Fixtures that stand beside what they give.
__all__ = ["fake", "mosquitto"]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Choose the loops of a test."""
    return LOOPS if item.path.name == "test_clients.py" else ONE_LOOP


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut no stalled peer: on a busy machine a test may take seconds to come back to one. Some tests set less."""
    monkeypatch.setattr(connection, "STALL", 600.0)
