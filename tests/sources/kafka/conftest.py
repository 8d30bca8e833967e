"""What the tests of the parts of the `kafka` source share."""

import pytest

from bridge.sources.kafka.stand import Stand
from tests.fake_kafka import FakeConsumer, FakeLink, Outlet


@pytest.fixture
def outlet() -> Outlet:
    """Give an outlet."""
    return Outlet()


@pytest.fixture
def stand() -> Stand:
    """Give a stand that is nowhere yet."""
    return Stand()


@pytest.fixture
def consumer() -> FakeConsumer:
    """Give a consumer of an empty cluster."""
    return FakeConsumer()


@pytest.fixture
def link() -> FakeLink:
    """Give a link to a cluster without topics."""
    return FakeLink()
