"""What the README shows is what is there."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from bridge.cli import app
from bridge.config.load import load
from tests.chart.rendering import kinds, one, render
from tests.chart.test_routes import VARIABLES
from tests.e2e.programs import bridge, running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

#: What is typed, a line each.
COMMANDS = [line for block in re.findall(r"\n```sh\n(.*?)```\n", README, re.DOTALL) for line in block.splitlines()]

#: Values of the chart, with the comment that says of what.
VALUES = re.findall(r"\n```yaml\n(# values.yaml.*?)```\n", README, re.DOTALL)


def test_readme_shows_the_file_a_user_starts_from():
    """The first YAML block is `config/routes.yaml`, letter by letter."""
    [shown] = re.findall(r"<!-- config/routes\.yaml:[^\n]*\n```yaml\n(.*?)```\n", README, re.DOTALL)
    assert shown == (ROOT / "config/routes.yaml").read_text()


def test_every_other_part_of_a_file_that_the_readme_shows_loads(tmp_path):
    """Each further YAML block is right as it stands, and nothing is noted of it."""
    [_, *others] = [text for text in re.findall(r"\n```yaml\n(.*?)```\n", README, re.DOTALL) if text not in VALUES]
    assert others
    for number, text in enumerate(others):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load(path, {}).notes == []


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^):]+)\)", README))))
def test_links_of_the_readme_lead_somewhere(link):
    """Each relative link, pictures included, names a file or folder of the repository."""
    assert (ROOT / link.partition("#")[0]).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([\w-]+)", README, re.MULTILINE))))
def test_targets_of_the_readme_are_in_the_makefile(target):
    """Each `make` names a target."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_target_is_in_the_readme_or_says_what_it_does_where_it_is_listed():
    """`make help` lists all; those who work on it find each here, but for the two that need no word."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target in targets if not re.search(rf"make {target}\b", README)] == ["help", "fix", "clean"]


def test_what_its_commands_name_is_there():
    """Files and folders of the repository, and commands of the program."""
    typed = [line.partition(" #")[0] for line in COMMANDS]
    paths = [
        path for line in typed for path in re.findall(r"(?<![\w/])(?:\./)?((?:config|deploy|helm)/[\w./-]+)", line)
    ]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    named = {name for line in typed for name in re.findall(r"(?<![\w\"-])sse-bridge ([a-z]+)", line)}
    assert named
    assert named <= known


@pytest.mark.parametrize("text", VALUES, ids=[yaml.safe_load(text).get("mode", "sidecar") for text in VALUES])
def test_values_of_the_readme_are_what_the_chart_takes(text, tmp_path, monkeypatch):
    """Each renders as it stands, to what its mode runs, and with routes that the bridge takes."""
    values = yaml.safe_load(text)
    values = values.get("sse-bridge", values)
    found = render(values)
    assert ("Deployment" in kinds(found)) == (values["mode"] != "sidecar")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    made = one(found, "ConfigMap", "events-sse-bridge-routes")["data"]["routes.yaml"]
    (tmp_path / "routes.yaml").write_text(made.replace("/var/log/app", str(tmp_path)))
    config = load(tmp_path / "routes.yaml")
    assert config.routes
    assert config.notes == []


async def test_requests_of_the_readme_are_answered(tmp_path, free_ports):
    """Each `curl` of the README that ends by itself, as it is typed, but for the ports, of the file that it shows."""
    shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("examples"))
    (tmp_path / "config/logs").mkdir(exist_ok=True)
    typed = [line for line in COMMANDS if line.startswith("curl ") and " -N " not in line]
    assert len(typed) > 3
    listen, admin = free_ports(), free_ports()
    async with bridge(tmp_path / "config/routes.yaml", listen, admin) as started:
        for line in typed:
            here = line.replace("http://127.0.0.1:9090", started.admin).replace("http://127.0.0.1:8080", started.url)
            async with running("bash", "-c", here.replace("curl ", "curl --fail-with-body --silent ", 1)) as program:
                assert await program.process.wait() == 0, (line, program.printed)
