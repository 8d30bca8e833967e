"""The wire contract holds on both loops."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from tests.support import LOOPS


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run each test twice."""
    return LOOPS
