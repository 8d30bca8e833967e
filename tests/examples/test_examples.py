"""The examples as files: they load, they say how they are run, and each is run by a test in Chromium."""

import re
from pathlib import Path

import pytest

from bridge.config.load import load

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config/examples").glob("*.yaml"))
PAGES = sorted((ROOT / "config/examples/pages").glob("*/index.html"))


def test_the_systems_are_there():
    """Their names are what one types."""
    assert [path.stem for path in EXAMPLES] == [
        "application",
        "board",
        "clock",
        "devices",
        "log-viewer",
        "messages",
        "orders",
        "rates",
        "relay",
        "status",
        "welcome",
    ]


@pytest.mark.parametrize("path", [*EXAMPLES, ROOT / "bridge/demo/routes.yaml"], ids=lambda path: path.stem)
def test_file_loads_with_nothing_set(path, tmp_path):
    """No variable is needed, every default is in the file."""
    (tmp_path / "logs").mkdir()
    environ = {"LOGS": str(tmp_path / "logs")} if "demo" in path.parts else {}
    config = load(path, environ)
    assert config.notes == []
    assert config.server.listen[0].port == (3000 if path.stem == "clock" else 8080)
    assert config.server.admin.port == 9090


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_says_how_it_is_run(path):
    """The command stands in its first lines, and its page lies under its name."""
    assert f"sse-bridge run config/examples/{path.name}" in path.read_text()[:400]
    assert (ROOT / "config/examples/pages" / path.stem / "index.html").is_file()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_run_in_a_browser(path):
    """A test of its own runs it end to end."""
    assert (ROOT / "tests/e2e/examples" / f"test_{path.stem.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.parent.name)
def test_page_shows_text_only_as_text(path):
    """No page makes HTML from what it is told, and none fetches from elsewhere."""
    page = path.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page.replace("never innerHTML", "")
    )
    assert set(re.findall(r"https?://[^/\"`]+", page)) <= {"http://127.0.0.1:3000"}
