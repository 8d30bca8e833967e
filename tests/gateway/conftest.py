"""What takes transports over runs on both loops; the rest has no eye for them."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest

from bridge.gateway import connection
from tests.support import LOOPS, ONE_LOOP

ON_BOTH = {
    "test_connection.py",
    "test_endings.py",
    "test_events.py",
    "test_exchange.py",
    "test_feed.py",
    "test_leaving.py",
    "test_pump.py",
    "test_stream.py",
    "test_tunnel.py",
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Choose the loops of a test."""
    return LOOPS if item.path.name in ON_BOTH else ONE_LOOP


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut no stalled peer: on a busy machine a test may take seconds to come back to one. Some tests set less."""
    monkeypatch.setattr(connection, "STALL", 600.0)
