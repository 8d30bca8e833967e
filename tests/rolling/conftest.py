"""Chromium, on the one loop that all tests here share with it."""

import inspect
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from tests.e2e.conftest import FLAGS
from tests.e2e.programs import executable


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here that awaits: it lives on the browser's loop."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator[Page]:
    """Open a tab of Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable("chromium"), args=FLAGS)
        yield await browser.new_page()
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Hold what a test has started; all of it ends with the test."""
    async with AsyncExitStack() as held:
        yield held
