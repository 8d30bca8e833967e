"""The image's packages on the other processor, which this machine cannot run: each has a wheel for it."""

import json
import subprocess
import sys

from tests.image.containers import ROOT
from tests.image.test_image_built import locked

#: What Debian 13, of the base, can load: glibc 2.41, so anything up to here.
PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (17, 26, 28, 34)] + ["manylinux2014_aarch64"]


def test_every_pinned_package_has_a_wheel_for_arm64(tmp_path):
    """Resolved as on an arm64 machine with Python 3.13, from the lock, with its hashes, and nothing to compile."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--no-deps",
               "--only-binary=:all:", "--require-hashes", "--implementation=cp", "--python-version=3.13", "--abi=cp313",
               "--abi=abi3", "--abi=none", f"--target={tmp_path / 'none'}", f"--report={report}",
               *(f"--platform={each}" for each in PLATFORMS), "-r", ROOT / "requirements" / "otel.txt"]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = [each["download_info"]["url"].rpartition("/")[2] for each in json.loads(report.read_text())["install"]]
    assert len(found) == len(locked("otel.txt"))
    assert all(name.endswith(("aarch64.whl", "any.whl")) for name in found)
    assert sum("aarch64" in name for name in found) > 10
