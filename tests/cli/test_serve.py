"""`sse-bridge serve`: what arguments become, and what is said of those that become nothing."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.cli.arguments import MAX_NAME, MAX_SOURCES, ArgumentError, wanted
from bridge.cli.serve import configured, run
from bridge.errors import ConfigError
from bridge.telemetry import LOG


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    """Run each test in a folder of its own, with two logs and a folder in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs" / "old").mkdir(parents=True)
    for name in ("web", "api"):
        (tmp_path / "logs" / f"{name}.log").touch()
    yield
    # The log was set up for this test's standard error, which is gone after it.
    LOG.reset()


def routes(*arguments: str) -> list[str]:
    """Return the paths of the routes that stand for some arguments."""
    return list(configured(wanted(arguments), "127.0.0.1:0", "127.0.0.1:0").routes)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, **options: Any) -> str:
    """Return what is said of arguments that are refused."""
    given = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "log": ("warning", None)} | options
    assert run(list(arguments), **given) == 2
    return capsys.readouterr().err


def test_each_file_has_a_route():
    """A file is named after itself, and after its folder too where two have one name; twice the same is once."""
    Path("web.log").touch()
    assert routes("logs/web.log", "./logs/web.log", "logs/api.log", "web.log")[:2] == ["/web.log", "/api.log"]
    assert routes("logs/web.log", "web.log")[1].endswith("-web.log")


def test_a_pattern_in_quotes_is_filled_in():
    """What the shell did not fill in is filled in here, in order, and folders are left out."""
    assert routes("./logs/*") == ["/api.log", "/web.log"]
    assert routes(str(Path.cwd() / "**" / "w*.log")) == ["/web.log"]


def test_a_file_with_the_signs_of_a_pattern_is_that_file():
    """A name is taken as it is where there is such a file, `${` in it included."""
    Path("a[1]${b}.log").touch()
    [each] = wanted(["a[1]${b}.log"]).values()
    assert each.source["path"] == str(Path.cwd() / "a[1]${b}.log")
    config = configured({"a": each}, "127.0.0.1:0", "127.0.0.1:0")
    assert str(config.sources["a"].source.path) == each.source["path"]


def test_names_stay_apart_however_alike():
    """Signs that no path may have become dashes; what is then the same gets a number, within the longest name."""
    names = [f"{'x' * 80} {sign}" for sign in "&!%"]
    found = list(wanted(names))
    assert len(set(found)) == 3
    assert all(len(name) <= MAX_NAME for name in found)


def test_a_topic_has_a_route_and_its_wildcards_one_more():
    """What comes from many topics is on one stream, which says from which, and on one stream each."""
    config = configured(wanted(["mqtt://127.0.0.1:1884/plants/+/a{b}/+/#"]), "127.0.0.1:0", "127.0.0.1:0")
    [source] = config.sources.values()
    assert source.kind == "mqtt"
    assert source.source.url == "mqtt://127.0.0.1:1884"
    assert source.source.topics == ["plants/{name}/a{{b}}/{name2}/{rest*}"]
    assert {path: route.format for path, route in config.routes.items()} == {
        "/plants": "cloudevents",
        "/plants/{name}/{name2}/{rest*}": "raw",
    }
    assert routes("mqtt://h/sensors/#", "mqtts://h/sensors/#")[::2] == ["/sensors", "/h-sensors"]
    assert routes("mqtt://[::1]/#", "mqtt://h/one/topic") == ["/1", "/1/{rest*}", "/one"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["logs"], "logs: this is a folder: name its files, for example 'logs/*.log'"),
        (["nowhere/a.log"], "nowhere/a.log: there is no such folder"),
        (["logs/*.txt"], "logs/*.txt: no file matches"),
        (["http://h/a"], "http://: serve takes files, mqtt:// and mqtts://"),
        (["mqtt://h"], "mqtt://h: expected a topic after the host, for example mqtt://h/sensors/#"),
        (["mqtt://h/a/b+"], "mqtt://h/a/b+: a wildcard has a name here"),
        (["mqtt://h:99999/a"], "mqtt://h:99999/a: "),
        ([f"{n}.log" for n in range(MAX_SOURCES + 1)], f"more than {MAX_SOURCES} sources"),
    ],
)
def test_what_is_wrong_is_told_of_the_argument(capsys, arguments, told):
    """An error begins with what was typed, and names no file that nobody wrote."""
    text = said(capsys, *arguments)
    assert text.startswith(told)
    assert "routes.yaml:" not in text
    assert text.count("\n") == 1


def test_a_password_in_an_address_is_not_repeated(capsys):
    """A user and a password belong into a file, and not into a log."""
    text = said(capsys, "mqtt://ann:HUNTER2@broker/a")
    assert "a user and a password stand in a routes.yaml" in text
    assert "HUNTER2" not in text


def test_options_are_told_by_their_names(capsys):
    """An address that cannot be listened on, or only by everyone's leave, names its option."""
    assert said(capsys, "a.log", listen="8080").startswith("--listen: expected an address and a port")
    assert said(capsys, "a.log", listen=":8080").endswith("say --anonymous if everyone may read\n")
    assert said(capsys, "a.log", log=("loud", None)).startswith("--log-level: 'loud' is not one of")
    assert configured(wanted(["a.log"]), ":8080", "127.0.0.1:0", anonymous=True).auth == "anonymous"
    with pytest.raises(ConfigError):
        configured(wanted(["a.log"]), ":8080", "127.0.0.1:0")


def test_a_file_that_is_not_there_yet_is_noted(capsys, monkeypatch):
    """It may appear later, and until then its route is silent: that is worth a line, and no error."""
    monkeypatch.setattr("bridge.cli.serve.serve", lambda config, _: len(config.routes))
    assert run(["later.log", "logs/api.log"], listen="127.0.0.1:0", admin="127.0.0.1:0", log=("warning", None)) == 2
    assert capsys.readouterr().err == "later.log: not there yet; it is followed as soon as it appears\n"


def test_a_path_that_no_file_has_is_refused():
    """A name longer than the system takes is an error in words."""
    with pytest.raises(ArgumentError, match="this path cannot be looked at"):
        wanted(["x" * 5000])


def test_the_version_is_told():
    """`--version` prints name and number."""
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("sse-bridge 0.")
