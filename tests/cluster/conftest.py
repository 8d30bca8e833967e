"""One control plane for all tests of the folder, and a namespace for each."""

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.control_plane import Cluster

ROOT: Final = Path(__file__).parents[2]

#: Labels of a namespace that admits nothing but what the strictest level allows.
RESTRICTED: Final = {"enforce": "restricted", "enforce-version": "latest"}


def _made_by(script: str) -> Path:
    """Run a script that makes something, unless it is there, and prints where it is."""
    printed = subprocess.run([ROOT / "scripts" / script], stdout=subprocess.PIPE, text=True, check=True).stdout
    return Path(printed.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[], int]) -> Iterator[Cluster]:
    """Give a control plane that knows the custom kinds."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), _made_by("kubernetes"), _made_by("helm"), free_ports)
    try:
        made.start()
        definitions = _made_by("crds")
        made.kubectl("apply", "--server-side", f"--filename={definitions}")
        made.kubectl("wait", "--for=condition=Established", f"--filename={definitions}")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def namespace(cluster: Cluster, _numbers: Iterator[int]) -> Iterator[str]:
    """Give a namespace of the test's own that enforces restricted pod security."""
    name = f"test-{next(_numbers)}"
    cluster.make_namespace(name, **RESTRICTED)
    yield name
    cluster.drop_namespace(name)
