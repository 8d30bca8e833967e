"""The image, built once. Where podman cannot run, all tests here fail: nobody is told that an image works unseen."""

from pathlib import Path

import pytest

from tests.image.containers import Podman, build

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before tests/conftest.py puts what is live on one worker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here as one of a real program; the first of them builds, which may take minutes."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image and give its tag; a second time all of it is in the cache."""
    return build()


@pytest.fixture(scope="session")
def podman(image: str) -> Podman:
    """Give podman, which runs the image."""
    return Podman(image)
