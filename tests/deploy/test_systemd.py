"""The unit, as systemd itself reads it."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.config.server import Server
from bridge.lifecycle import END
from tests.e2e.programs import executable

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "sse-bridge.service"

#: systemd's own scale: 0 is a service that can do nothing, 10 one that can do all. 1.5 leaves a server its sockets.
MOST = 1.5


def read() -> configparser.ConfigParser:
    """Return the unit's keys; of those that are given several times, the last."""
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    unit.read(UNIT)
    return unit


@pytest.mark.live
def test_systemd_finds_nothing_to_say_against_it(tmp_path):
    """No key that it does not know; the program alone is another, since it is installed where the unit says."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/sse-bridge/bin/sse-bridge", sys.executable))
    command = [executable("systemd-analyze"), "verify", "--man=no", copy]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.live
def test_systemd_counts_it_as_well_contained():
    """Its own measure of what a service could do if it were taken over."""
    command = [executable("systemd-analyze"), "security", "--offline=yes", "--no-pager", UNIT]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1]) <= MOST


def test_a_stop_outlasts_the_drain():
    """Systemd kills no stream that the bridge is still telling to come back."""
    stop = float(read()["Service"]["TimeoutStopSec"].removesuffix("s"))
    server = Server()
    assert stop >= server.prestop + server.drain + END


def test_a_reload_is_a_hangup_and_a_stop_is_sigterm():
    """The signals that the bridge knows."""
    service = read()["Service"]
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
    assert service["ExecStart"].endswith(" run /etc/sse-bridge/routes.yaml")
    assert service["StateDirectory"] == "sse-bridge"
