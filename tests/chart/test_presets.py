"""The Ingress presets: what each controller is told, and what NOTES say of what it cannot do."""

import atexit
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CHART, documents, kinds, one, render, rendered_set, text_of

PRESETS = ["nginx", "traefik", "haproxy", "alb", "istio", "httproute"]
NEEDED: dict[str, dict[str, Any]] = {
    "istio": {"istio": {"gateways": ["istio-system/public"]}},
    "httproute": {"httproute": {"parents": [{"name": "public"}]}},
}


def ingress(preset: str, **more: Any) -> dict[str, Any]:
    """Return values with a preset."""
    return {"ingress": {"enabled": True, "preset": preset, **NEEDED.get(preset, {}), **more}}


def annotations(preset: str, **more: Any) -> dict[str, str]:
    """Return what an Ingress says to its controller, in the controller's words."""
    found = one(render(ingress(preset, **more)), "Ingress")["metadata"].get("annotations", {})
    return {name.rpartition("/")[2]: value for name, value in found.items()}


@cache
def _noting() -> Path:
    """Copy the chart, with what Helm prints as a document: only `helm install` prints it, and asks a cluster first."""
    chart = Path(tempfile.mkdtemp()) / "sse-bridge"
    atexit.register(shutil.rmtree, chart.parent)
    shutil.copytree(CHART, chart)
    text = (chart / "templates/NOTES.txt").read_text("utf-8")
    (chart / "templates/_notes.tpl").write_text(f'{{{{- define "notes" -}}}}\n{text}{{{{- end -}}}}', "utf-8")
    document = 'kind: Notes\ntext: |\n  {{- include "notes" . | nindent 2 }}\n'
    (chart / "templates/notes.yaml").write_text(document, "utf-8")
    return chart


def notes(values: dict[str, Any]) -> str:
    """Return what Helm prints after an installation."""
    found = documents(text_of(values, chart=_noting()))
    return str(next(document["text"] for document in found if document["kind"] == "Notes"))


def test_ingress_nginx_buffers_nothing_and_cuts_nothing() -> None:
    """Its time-outs are far beyond a heartbeat."""
    told = annotations("nginx")
    assert told["proxy-buffering"] == told["proxy-request-buffering"] == "off"
    assert told["proxy-http-version"] == "1.1"
    assert told["proxy-read-timeout"] == told["proxy-send-timeout"] == "3600"


def test_ingress_nginx_asks_the_chart_what_to_answer_while_no_pod_does() -> None:
    """Without snippets, which most clusters forbid: a default backend that takes its errors."""
    found = rendered_set("ingress-nginx")
    told = one(found, "Ingress")["metadata"]["annotations"]
    assert told["nginx.ingress.kubernetes.io/custom-http-errors"] == "502,503,504"
    name = told["nginx.ingress.kubernetes.io/default-backend"]
    service, answerer = one(found, "Service", name), one(found, "Deployment", name)
    labels = answerer["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["selector"].items().isdisjoint({("app.kubernetes.io/component", "bridge")})


def test_ingress_nginx_answers_by_itself_where_snippets_are_allowed() -> None:
    """Then there is no service beside it."""
    told = annotations("nginx", nginx={"snippets": True})
    assert "error_page 502 503 504" in told["configuration-snippet"]
    assert "retry:" in told["server-snippet"]
    assert "custom-http-errors" not in told
    assert kinds(render(ingress("nginx", nginx={"snippets": True}))).count("Deployment") == 1


def test_your_annotations_beat_the_presets() -> None:
    """A preset is a beginning."""
    mine = {"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}
    assert annotations("nginx", annotations=mine)["proxy-read-timeout"] == "60"


@pytest.mark.live
@pytest.mark.parametrize("origins", [[], ["*"], ["https://a.example.com", "http://localhost:5173"]])
def test_nginx_takes_the_snippets(tmp_path: Path, origins: list[str]) -> None:
    """Where the controller puts them: one in the location, one in the server."""
    told = annotations("nginx", nginx={"snippets": True}, later={"origins": origins})
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; server {{ listen unix:{tmp_path}/socket;\n"
        f"location / {{ proxy_pass http://127.0.0.1:1; {told['configuration-snippet']} }}\n"
        f"{told['server-snippet']} }} }}\n",
        "utf-8",
    )
    done = subprocess.run(["nginx", "-t", "-c", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.live
@pytest.mark.parametrize("origins", [[], ["*"], ["https://a.example.com", "http://localhost:5173"]])
def test_haproxy_takes_the_snippet(tmp_path: Path, origins: list[str]) -> None:
    """Where the controller puts it: in the backend."""
    told = annotations("haproxy", later={"origins": origins})
    config = tmp_path / "haproxy.cfg"
    lines = [f"    {line}" for line in told["backend-config-snippet"].splitlines()]
    config.write_text(
        "defaults\n    mode http\n    timeout client 1s\n    timeout server 1s\n    timeout connect 1s\n"
        f"frontend a\n    bind {tmp_path}/socket\n    default_backend b\n"
        "backend b\n    server c 127.0.0.1:1\n" + "\n".join(lines) + "\n",
        "utf-8",
    )
    done = subprocess.run(["haproxy", "-c", "-f", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr


def test_the_parts_of_nginx_and_haproxy_are_those_of_the_plain_files() -> None:
    """Every line that is no comment, filled in."""
    for preset, file, key, more in (
        ("nginx", "nginx-later.conf", "server-snippet", {"nginx": {"snippets": True}}),
        ("nginx", "nginx-errors.conf", "configuration-snippet", {"nginx": {"snippets": True}}),
        ("haproxy", "haproxy-later.cfg", "backend-config-snippet", {}),
    ):
        text = (CHART / "files/proxies" / file).read_text("utf-8")
        text = text.replace("@SECONDS@", "7").replace("@ORIGINS@", "https://a.example.com")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        told = annotations(preset, later={"seconds": 7, "origins": ["https://a.example.com"]}, **more)[key]
        assert [line.strip() for line in told.splitlines() if line.strip()][-len(lines) :] == lines
        assert "@" not in told.replace("@sse_bridge_later", "")


def test_haproxy_is_told_in_the_words_of_its_makers_controller() -> None:
    """`haproxy.org/…`, not jcmoraisjr's `haproxy-ingress.github.io/…`."""
    found = one(render(ingress("haproxy")), "Ingress")["metadata"]["annotations"]
    assert {name.partition("/")[0] for name in found} == {"haproxy.org"}
    snippet = annotations("haproxy")["backend-config-snippet"].splitlines()
    assert "timeout server 3600s" in snippet
    # Retries are those of the plain file, line by line.
    plain = (CHART / "files/proxies/haproxy.cfg").read_text("utf-8")
    retries = [line for line in snippet if "retr" in line and "sse_bridge" not in line]
    assert len(retries) == 3
    assert all(f"    {line}\n" in plain for line in [*retries, "option redispatch 1"])


def test_traefik_sends_streams_alone_through_the_answer() -> None:
    """An error page that says 200 would mislead everything else."""
    found = rendered_set("ingress-traefik")
    streams, rest = one(found, "IngressRoute")["spec"]["routes"]
    middleware = one(found, "Middleware")
    assert streams["middlewares"] == [{"name": middleware["metadata"]["name"]}]
    assert "HeaderRegexp(`Accept`, `text/event-stream`)" in streams["match"]
    assert streams["match"].startswith(rest["match"])
    assert "middlewares" not in rest
    errors = middleware["spec"]["errors"]
    assert errors["statusRewrites"] == {"502": 200, "503": 200, "504": 200}
    assert one(found, "Service", errors["service"]["name"])


def test_traefik_takes_a_star_as_a_pattern() -> None:
    """Its `Host` knows none."""
    rule = one(rendered_set("ingress-traefik"), "IngressRoute")["spec"]["routes"][1]["match"]
    assert rule == r"(Host(`events.example.com`) || HostRegexp(`^[^.]+\.example\.org$`)) && PathPrefix(`/`)"


def test_an_alb_asks_the_health_port_and_lets_streams_drain() -> None:
    """It speaks to the pods, and cuts nothing that still drains."""
    told = annotations("alb")
    assert told["target-type"] == "ip"
    assert (told["healthcheck-port"], told["healthcheck-path"]) == ("9091", "/-/ready")
    assert told["load-balancer-attributes"] == "idle_timeout.timeout_seconds=3600"
    assert "deregistration_delay.timeout_seconds=20," in told["target-group-attributes"]


def test_istio_has_no_time_limit_and_answers_by_itself() -> None:
    """The route is in our namespace, the answer where the gateway is."""
    found = rendered_set("ingress-istio")
    assert "timeout" not in one(found, "VirtualService")["spec"]["http"][0]
    envoy = one(found, "EnvoyFilter")
    assert envoy["metadata"]["namespace"] == "istio-system"
    mappers = envoy["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]["local_reply_config"]["mappers"]
    assert [mapper["status_code"] for mapper in mappers] == [200, 200]
    headers = [[entry["header"]["key"] for entry in mapper["headers_to_add"]] for mapper in mappers]
    assert "access-control-allow-origin" in headers[0]
    assert "access-control-allow-origin" not in headers[1]


def test_istio_answers_for_our_hosts_and_paths_alone() -> None:
    """The gateway is everybody's."""
    found = rendered_set("ingress-istio")
    patch = one(found, "EnvoyFilter")["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    filters = patch["local_reply_config"]["mappers"][-1]["filter"]["and_filter"]["filters"]
    headers = {part["header_filter"]["header"]["name"]: part["header_filter"]["header"] for part in filters[2:]}
    pattern = re.compile(headers[":authority"]["string_match"]["safe_regex"]["regex"])
    ours = ["events.example.com", "EVENTS.example.com:443", "a.example.org"]
    assert all(pattern.fullmatch(host) for host in ours)
    assert not any(pattern.fullmatch(host) for host in ["events.example.com.evil", "eventsXexample.com", "example.org"])
    assert headers[":path"]["string_match"] == {"prefix": "/"}


def test_a_route_of_the_gateway_api_has_no_time_limit() -> None:
    """A stream has no end."""
    rule = one(rendered_set("ingress-httproute"), "HTTPRoute")["spec"]["rules"][0]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}


@pytest.mark.parametrize("preset", PRESETS)
def test_pods_are_replaced_one_up_one_down(preset: str) -> None:
    """So there always is one, which is all that some controllers have."""
    strategy = one(render(ingress(preset)), "Deployment", "events-sse-bridge")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("preset", ["alb", "httproute"])
def test_notes_say_what_a_controller_cannot_do(preset: str) -> None:
    """Its errors end an EventSource for good."""
    assert f"`{preset}` cannot answer streams with 200" in notes(ingress(preset))


@pytest.mark.parametrize("preset", ["nginx", "traefik", "haproxy"])
def test_notes_do_not_warn_where_all_is_well(preset: str) -> None:
    """There is nothing to mind."""
    assert "Mind" not in notes(ingress(preset))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (ingress("alb"), "An ALB takes 10 to 15 s"),
        (ingress("none"), "no preset"),
        (ingress("nginx", later={"enabled": False}), "`ingress.later` is off"),
        (ingress("nginx", nginx={"snippets": True}), "annotations-risk-level"),
        (ingress("istio"), "EnvoyFilter is in `istio-system`"),
        (ingress("istio", hosts=[]), "every host of that gateway"),
        (ingress("httproute") | {"state": {"enabled": True}}, "an old one goes first"),
        (ingress("alb") | {"rollout": {"unavailable": 1}}, "rollout.unavailable"),
        (ingress("alb") | {"networkPolicy": {"enabled": True}}, "`networkPolicy.health` must let them"),
        ({"state": {"enabled": True}}, "a moment without any pod"),
        ({"autoscaling": {"enabled": True, "streams": 100}}, "needs an adapter"),
        ({"mode": "sidecar"}, "terminationGracePeriodSeconds: 20"),
        (
            {"mode": "sidecar", "sidecar": {"selector": {"a": "b"}}, "networkPolicy": {"enabled": True}},
            "your container's own ports are closed",
        ),
        ({"routes": "server: { listen: ':8080', health: ':9091' }"}, "write `drain: ${DRAIN}`"),
        (
            ingress("nginx") | {"mode": "companion", "companion": {"image": {"repository": "a"}}},
            "replaces the application's own 502",
        ),
    ],
)
def test_notes_warn(values: dict[str, Any], words: str) -> None:
    """Of what works and may still surprise."""
    assert words in notes(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "No `routes` were given"),
        ({}, "http://events-sse-bridge.streams.svc:80/"),
        ({}, "curl -N http://127.0.0.1:8080/clock"),
        ({}, "port-forward deployment/events-sse-bridge 9090:9090"),
        ({"service": {"type": "LoadBalancer"}}, "as soon as it has an address"),
        ({"service": {"type": "NodePort"}}, "any node"),
        (ingress("nginx", hosts=["a.example.com"], path="/a"), "http://a.example.com/a"),
        (ingress("nginx", hosts=["a.example.com"], tlsSecret="a"), "https://a.example.com/"),
        (ingress("traefik", hosts=["a.example.com"]), "http(s)://a.example.com/"),
        ({"mode": "sidecar"}, "the container's port `sse` (8080)"),
    ],
)
def test_notes_print_the_addresses(values: dict[str, Any], words: str) -> None:
    """In the cluster, outside, and from one's own machine."""
    assert words in notes(values)


def test_notes_of_a_sidecar_without_a_service_head_no_empty_list() -> None:
    """What leads to its pods is the other chart's."""
    assert "Where it is" not in notes({"mode": "sidecar"})
    assert "Where it is" in notes({"mode": "sidecar", "sidecar": {"selector": {"a": "b"}}})
