"""Collectors that are sent to at once."""

import pytest

from bridge.traces import collector


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what there is every few milliseconds instead of each second."""
    monkeypatch.setattr(collector, "EVERY", 0.02)
