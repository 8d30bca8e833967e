"""The configuration that comes out of the chart is one that the bridge takes, in every set of values."""

from pathlib import Path

import pytest
import yaml

from bridge.config.load import load
from bridge.config.model import Config
from tests.chart.rendering import CHART, EXAMPLE, RELEASE, ROOT, SETS, Documents, bridge_of, one, render, rendered_set

ROUTES = f"{RELEASE}-sse-bridge-routes"


def is_given(name: str) -> bool:
    """Tell whether a set makes the configuration, instead of pointing to one."""
    return any(document["metadata"]["name"] == ROUTES for document in rendered_set(name))


def loaded(found: Documents, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Load the configuration as the container does: with its variables and its mounts."""
    for document in found:
        if document["kind"] in {"Deployment", "StatefulSet"} and not document["metadata"]["name"].endswith("-later"):
            for variable in bridge_of(document)["env"]:
                monkeypatch.setenv(variable["name"], variable.get("value", "a secret"))
    return read(one(found, "ConfigMap", ROUTES)["data"]["routes.yaml"], folder)


def read(text: str, folder: Path) -> Config:
    """Load a text, with folders of the test's own in place of the mounts."""
    for name in ("secrets", "logs"):
        (folder / name).mkdir()
    (folder / "secrets/mqtt").write_text("a secret", "utf-8")
    text = text.replace("/run/secrets/sse-bridge", str(folder / "secrets")).replace(
        "/var/log/app", str(folder / "logs")
    )
    file = folder / "routes.yaml"
    file.write_text(text, "utf-8")
    return load(file)


@pytest.mark.parametrize("name", [name for name in SETS if name != "gateway-claim"])
def test_the_bridge_takes_the_configuration(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a note, and on the ports where the pod is asked."""
    assert is_given(name)
    config = loaded(rendered_set(name), tmp_path, monkeypatch)
    ports = {"gateway-text": (8000, 8001, 8002)}.get(name, (8080, 9091, 9090))
    server = config.server
    assert server.health is not None
    assert (server.listen[0].port, server.health.port, server.admin.port) == ports
    assert server.admin.is_loopback
    assert not server.listen[0].is_loopback
    assert [str(note) for note in config.notes] == []


#: What a pod of the chart has by default.
VARIABLES = {
    "LISTEN": ":8080",
    "HEALTH": ":9091",
    "ADMIN": "127.0.0.1:9090",
    "DRAIN": "10s",
    "PRESTOP": "5s",
    "LOGS": "/var/log/app",
    "UPSTREAM": "http://127.0.0.1:3000",
}


def _texts() -> dict[str, str]:
    values = yaml.safe_load((EXAMPLE / "values.yaml").read_text("utf-8"))
    readme = (CHART / "README.md").read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    bases = {f"the base {mode}": f"deploy/kustomize/{mode}/routes.yaml" for mode in ("gateway", "companion")}
    return {
        "the example chart": values["sse-bridge"]["routes"],
        "the README": yaml.safe_load(readme)["routes"],
        **{name: (ROOT / path).read_text("utf-8") for name, path in bases.items()},
    }


@pytest.mark.parametrize("name", _texts())
def test_the_bridge_takes_the_texts_that_users_start_from(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables of the pod."""
    for key, value in VARIABLES.items():
        monkeypatch.setenv(key, value.replace("/var/log/app", str(tmp_path / "logs")))
    config = read(_texts()[name], tmp_path)
    assert config.server.health is not None
    assert [str(note) for note in config.notes] == []


def test_one_that_is_there_already_is_not_made() -> None:
    """`existingConfigMap` is mounted as it is."""
    assert not is_given("gateway-claim")
    pod = one(rendered_set("gateway-claim"), "Deployment")["spec"]["template"]["spec"]
    assert {"name": "sse-bridge-routes", "configMap": {"name": "mine"}} in pod["volumes"]


def test_a_text_is_handed_over_to_the_letter() -> None:
    """Comments, order, and YAML 1.2's own idea of `on`."""
    text = "# mine\nserver: { listen: '${LISTEN}', health: '${HEALTH}' }\nroutes:\n  /on: { from: on }\n"
    assert one(render({"routes": text}), "ConfigMap", ROUTES)["data"]["routes.yaml"] == text


def test_numbers_of_a_mapping_stay_whole() -> None:
    """Helm reads them as floating point, and must not write 1e+06."""
    routes = {"routes": {}, "limits": {"channels": 1_000_000, "subscribers": 123_456_789}}
    text = one(render({"routes": routes}), "ConfigMap", ROUTES)["data"]["routes.yaml"]
    assert "channels: 1000000\n" in text
    assert "subscribers: 123456789\n" in text


def test_what_a_mapping_says_of_the_server_beats_the_values() -> None:
    """Only what it does not say is filled in."""
    routes = {"server": {"listen": ["127.0.0.1:8081", ":8080"], "drain": "3s"}, "routes": {}}
    text = one(render({"routes": routes}), "ConfigMap", ROUTES)["data"]["routes.yaml"]
    assert "drain: 3s" in text
    assert "- 127.0.0.1:8081" in text
    assert "health: :9091" in text


def test_the_path_of_an_ingress_is_the_base() -> None:
    """Unless it is the root."""
    values = {"ingress": {"enabled": True, "path": "/streams"}}
    assert "base: /streams\n" in one(render(values), "ConfigMap", ROUTES)["data"]["routes.yaml"]
    assert "base" not in one(rendered_set("ingress-none"), "ConfigMap", ROUTES)["data"]["routes.yaml"]


def test_state_and_application_are_filled_in_too() -> None:
    """In the modes that have them."""
    found = render({"state": {"enabled": True, "path": "/data"}})
    assert "state: /data\n" in one(found, "ConfigMap", ROUTES)["data"]["routes.yaml"]
    found = render({"mode": "companion", "companion": {"image": {"repository": "a"}, "port": 8000}})
    assert "upstream: http://127.0.0.1:8000\n" in one(found, "ConfigMap", ROUTES)["data"]["routes.yaml"]
