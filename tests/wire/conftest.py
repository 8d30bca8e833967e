"""The wire contract holds on both loops."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest

from bridge.gateway import connection
from tests.support import LOOPS


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run each test twice."""
    return LOOPS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut no stalled peer: on a busy machine a test may take seconds to come back to one. Some tests set less."""
    monkeypatch.setattr(connection, "STALL", 600.0)
