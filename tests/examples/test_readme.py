"""What the README shows is what is there."""

import re
from pathlib import Path

import pytest

from bridge.config.load import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_readme_shows_the_file_a_user_starts_from():
    """The first YAML block is `config/routes.yaml`, letter by letter."""
    [shown] = re.findall(r"<!-- config/routes\.yaml:[^\n]*\n```yaml\n(.*?)```\n", README, re.DOTALL)
    assert shown == (ROOT / "config/routes.yaml").read_text()


def test_every_other_part_of_a_file_that_the_readme_shows_loads(tmp_path):
    """Each further YAML block is right as it stands, and nothing is noted of it."""
    [_, *others] = re.findall(r"\n```yaml\n(.*?)```\n", README, re.DOTALL)
    assert others
    for number, text in enumerate(others):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load(path, {}).notes == []


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^):]+)\)", README))))
def test_links_of_the_readme_lead_somewhere(link):
    """Each relative link, pictures included, names a file or folder of the repository."""
    assert (ROOT / link.partition("#")[0]).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README, re.MULTILINE))))
def test_targets_of_the_readme_are_in_the_makefile(target):
    """Each `make` line names a target."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
