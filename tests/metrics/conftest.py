"""What waits for a peer is told by its transport, and each loop has its own; the rest has no eye for them."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest

from tests.support import LOOPS, ONE_LOOP

ON_BOTH = {"test_a_peer_that_takes_nothing", "test_a_stream_that_opens_and_leaves", "test_a_scrape_gives_way"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Choose the loops of a test."""
    return LOOPS if getattr(item, "originalname", "") in ON_BOTH else ONE_LOOP
