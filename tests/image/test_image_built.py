"""What is in the image: how large it is, what it says of itself, which packages it has."""

import json
import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.containers import ROOT, UID

#: What we add to the base: our packages, 64 MB, and room for the next of their versions. pip, debug symbols and the
#: tests of packages would be beyond.
MOST = 80 * 1000**2

#: As the image's Python sees itself.
MARKERS = {
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
}

LOAD_ALL = """
import importlib, pathlib, sys
site = pathlib.Path(sys.prefix, "lib", "python3.13", "site-packages")
loaded = []
for file in sorted(site.rglob("*.so")):
    if ".libs" in file.parts[-2]:
        continue
    name = ".".join(file.relative_to(site).with_name(file.name.split(".")[0]).parts)
    importlib.import_module(name)
    loaded.append(name)
print(len(loaded))
"""

LEFT = """
import pathlib, sys
root = pathlib.Path(sys.prefix)
sources = [file for file in root.rglob("*.py")]
bare = [str(file) for file in sources if not list(file.parent.glob(f"__pycache__/{file.stem}.cpython-*.pyc"))]
idle = [str(file) for end in ("*.a", "*.pyi", "*.pyx", "*.c", "*.h") for file in root.rglob(end)]
tests = [str(file) for file in root.rglob("tests")]
print(len(sources), bare, idle, tests, list(root.glob("bin/pip*")))
"""


def locked(name):
    """Return the packages of a lock that a Linux machine with the image's Python installs, by name."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    found = [Requirement(line.rstrip("\\ ")) for line in lines if line[:1].isalnum()]
    assert len(found) > 20
    return {
        canonicalize_name(each.name): next(iter(each.specifier)).version
        for each in found
        if each.marker is None or each.marker.evaluate(MARKERS)
    }


async def size(podman, image):
    """Return an image's size in bytes, uncompressed."""
    return json.loads((await podman("image", "inspect", image)).out)[0]["Size"]


async def test_the_image_adds_at_most_eighty_megabytes_to_its_base(podman):
    """Uncompressed; a registry sends a third of that."""
    base = await size(podman, "docker.io/library/python:3.13-slim")
    assert 10 * 1000**2 < await size(podman, podman.image) - base < MOST


async def test_labels_say_what_it_is_and_from_where(podman):
    """Those of the OCI image specification; the time and the revision are the commit's."""
    labels = json.loads((await podman("image", "inspect", podman.image)).out)[0]["Labels"]
    told = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (told["title"], told["version"], told["licenses"]) == ("sse-bridge", version, "Apache-2.0")
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", told["revision"])
    assert re.match(r"20\d\d-\d\d-\d\dT", told["created"])
    assert told["source"].startswith("https://")
    assert told["description"]
    assert podman.image.endswith(f":{version}")


async def test_it_runs_as_a_number_and_stops_by_sigterm(podman):
    """Kubernetes' runAsNonRoot cannot look a name up; the default is the one command that may show a demo."""
    [found] = json.loads((await podman("image", "inspect", podman.image)).out)
    config = found["Config"]
    assert config["User"] == f"{UID}:{UID}"
    assert config["StopSignal"] in {"SIGTERM", "15"}
    assert config["Entrypoint"] == ["sse-bridge"]
    assert config["Cmd"] == ["run", "/etc/sse-bridge/routes.yaml", "--else-demo"]
    assert found["Healthcheck"]["Test"] == ["CMD", "sse-bridge", "health"]
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9091/tcp"}


async def test_bill_of_materials_lists_exactly_the_packages_of_the_lock(podman):
    """CycloneDX, read from what is installed: no package more, none fewer, each in its pinned version."""
    found = json.loads((await podman.once("/usr/share/sse-bridge/sbom.cdx.json", options=("--entrypoint=cat",))).out)
    assert found["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(each["name"]): each["version"] for each in found["components"]}
    assert listed == locked("otel.txt")
    assert all(each["purl"].startswith("pkg:pypi/") for each in found["components"])
    assert found["metadata"]["component"]["name"] == "sse-bridge"


async def test_what_is_installed_is_what_the_bill_says(podman):
    """The environment itself, asked: the program is all that comes to the lock's packages."""
    told = await podman.python(
        "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    installed = {canonicalize_name(name): version for name, version in json.loads(told).items()}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert installed == locked("otel.txt") | {"sse-bridge": version}


def test_the_lock_of_the_image_holds_all_of_the_programs():
    """otel.txt alone is installed: it is run.txt and what traces need, in the same versions."""
    assert locked("run.txt").items() <= locked("otel.txt").items()


async def test_every_extension_module_loads_after_it_was_stripped(podman):
    """Debug symbols are gone, and nothing else."""
    assert int(await podman.python(LOAD_ALL)) >= 20


async def test_only_what_runs_is_there(podman):
    """Bytecode for each module, since a read-only root can take none; no pip, no tests, no headers."""
    sources, rest = (await podman.python(LEFT)).split(" ", 1)
    assert int(sources) > 500
    assert rest.split("\n")[0] == "[] [] [] []"
