"""Both loops for the parts that live on one, and a broker that does as it is told."""

import asyncio
from collections.abc import Callable, Mapping

from tests.fake_mqtt import fake
from tests.support import LOOPS

__all__ = ["fake"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on asyncio's loop and on uvloop."""
    return LOOPS
