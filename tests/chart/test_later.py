"""The small service that answers while no pod does: 200 and `retry` for streams, the error for everything else."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.chart.rendering import CHART, one, rendered_set

ORIGIN = "https://app.example.com"

# Python has started by then, on the busiest machine.
PATIENCE = 20.0
STREAM = {"Accept": "text/event-stream"}


def is_open(port: int) -> bool:
    """Tell whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.05).close()
    except OSError:
        time.sleep(0.02)
        return False
    return True


@pytest.fixture(scope="module")
def port(free_ports: Callable[[], int]) -> Iterator[int]:
    """Run it, as its container does."""
    port = free_ports()
    process = subprocess.Popen([sys.executable, CHART / "files/later.py", str(port), "5", ORIGIN])
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_open(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
        yield port
    finally:
        process.terminate()
        assert process.wait(10) == 0


def ask(port: int, method: str, path: str = "/", host: str = "127.0.0.1", **headers: str) -> tuple[HTTPResponse, str]:
    """Ask, and read the answer."""
    connection = HTTPConnection(host, port, timeout=5)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def test_a_stream_is_told_to_come_back_later(port: int) -> None:
    """Within five to six seconds, at random, so that not all come at once."""
    waits = set()
    for _ in range(20):
        response, text = ask(port, "GET", "/plants/oslo", **STREAM)
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
        found = re.fullmatch(r"retry: (\d+)\n", text)
        assert found
        waits.add(int(found[1]))
    assert 5000 <= min(waits) < max(waits) <= 6000


def test_the_type_may_stand_among_others(port: int) -> None:
    """A list of types with ours in it counts."""
    assert ask(port, "GET", Accept="text/html, text/event-stream;q=0.9")[0].status == 200


@pytest.mark.parametrize(("said", "status"), [("502", 502), ("503", 503), ("504", 504), ("200", 503), ("boo", 503)])
def test_anything_else_keeps_its_error(port: int, said: str, status: int) -> None:
    """As ingress-nginx says it in a header; what no error is counts as 503."""
    response, text = ask(port, "GET", X_Code=said, Accept="text/html")
    assert response.status == status
    assert text.startswith(str(status))


def test_traefik_says_the_error_in_the_path(port: int) -> None:
    """As its middleware is told to."""
    assert ask(port, "GET", "/504")[0].status == 504


def test_a_post_is_never_said_to_have_worked(port: int) -> None:
    """Even if it would like a stream; its body is left unread, so its connection ends."""
    response, _ = ask(port, "POST", Content_Length="3", **STREAM)
    assert response.status == 503
    assert response.headers["Connection"] == "close"


def test_head_gets_the_headers_alone(port: int) -> None:
    """As for GET."""
    response, text = ask(port, "HEAD", **STREAM)
    assert (response.status, response.headers["Content-Type"], text) == (200, "text/event-stream", "")


def test_pages_of_listed_origins_may_read_it(port: int) -> None:
    """Others may not: their EventSource would not have been let in either."""
    allowed, _ = ask(port, "GET", Origin=ORIGIN, **STREAM)
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
    for origin in ("https://evil.example.com", "null"):
        refused, _ = ask(port, "GET", Origin=origin, **STREAM)
        assert "Access-Control-Allow-Origin" not in refused.headers
        assert refused.headers["Vary"] == "Origin"


def test_a_connection_serves_several_requests(port: int) -> None:
    """A proxy keeps its connections."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/", headers=STREAM)
        assert connection.getresponse().read().startswith(b"retry")
    connection.close()


#: What ingress-nginx makes of `custom-http-errors` and `default-backend`, in short: an error goes to a location of its
#: own, which asks the service and passes its answer on, status included.
INGRESS_NGINX = """
pid {folder}/pid; error_log stderr; events {{}}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_intercept_errors on;
            error_page 502 = @custom_later_502;
            proxy_pass http://127.0.0.1:{nobody};
        }}
        location @custom_later_502 {{
            internal;
            proxy_intercept_errors off;
            proxy_set_header X-Code 502;
            proxy_set_header X-Format $http_accept;
            rewrite (.*) / break;
            proxy_pass http://127.0.0.1:{later};
        }}
    }}
}}
"""


@pytest.mark.live
def test_ingress_nginx_passes_the_answer_on(tmp_path: Path, free_ports: Callable[[], int], port: int) -> None:
    """Nobody is behind it: streams get 200, all else the error."""
    front = free_ports()
    config = tmp_path / "nginx.conf"
    text = INGRESS_NGINX.format(folder=tmp_path, port=front, nobody=free_ports(), later=port)
    config.write_text(text, "utf-8")
    process = subprocess.Popen(["nginx", "-c", config, "-g", "daemon off; master_process off;"])
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_open(front):
            assert time.monotonic() < deadline
        response, body = ask(front, "GET", "/plants/oslo", Origin=ORIGIN, **STREAM)
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert body.startswith("retry: 5")
        assert ask(front, "GET", "/plants/oslo", Accept="text/html")[0].status == 502
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_its_container_is_told_what_the_values_say() -> None:
    """Port, seconds and origins; and it is as restricted as the bridge."""
    pod = one(rendered_set("ingress-nginx"), "Deployment", "events-sse-bridge-later")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["command"] == ["python", "/etc/later/later.py"]
    assert container["args"] == ["8080", "5", ORIGIN]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False


def test_its_configmap_has_the_script() -> None:
    """To the letter."""
    script = one(rendered_set("ingress-nginx"), "ConfigMap", "events-sse-bridge-later")["data"]["later.py"]
    assert script.strip() == (CHART / "files/later.py").read_text("utf-8").strip()
