"""Every bad configuration is refused, at its place, in words, and without a secret."""

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bad_config import cases
from bridge.config.load import load
from bridge.errors import ConfigError

CASES = [
    *cases.YAML,
    *cases.SECRETS,
    *cases.KEYS,
    *cases.ASKED,
    *cases.UNBUILT,
    *cases.SERVER,
    *cases.ROUTES,
    *cases.SOURCES,
    *cases.FILES,
]

#: What takes the longest, or would do the most harm.
THROUGH_THE_COMMAND = (
    "python tag",
    "alias bomb",
    "10 MB",
    "500 levels of keys",
    "too many values",
    "secret in plain text",
    "misspelt secret",
    "wide listener",
    "routes that overlap",
)

#: Even a CPU's seconds are longer while its other thread is busy with another test.
ATTEMPTS = 3

LINE = re.compile(r"routes\.yaml:[1-9]\d*:[1-9]\d*: \S.*")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_is_refused_at_its_place(case: cases.Bad, tmp_path: Path) -> None:
    """The first problem stands where the file is wrong, says what to do, and no line shows a secret."""
    file = _write(case, tmp_path)
    for _ in range(ATTEMPTS):
        started = time.process_time()
        with pytest.raises(ConfigError) as caught:
            load(file, {})
        took = time.process_time() - started
        if took < 0.5:
            break
    assert took < 0.5
    first, text = str(caught.value.problems[0]), str(caught.value)
    assert first.startswith(f"routes.yaml:{case.at}: "), first
    assert case.says in first
    assert cases.SECRET not in text
    assert all(LINE.fullmatch(line) for line in text.split("\n"))


@pytest.mark.parametrize("name", THROUGH_THE_COMMAND)
def test_the_command_refuses_within_a_second(name: str, tmp_path: Path) -> None:
    """The command ends with 2 within a second, with a line a problem and nothing else."""
    case = next(case for case in CASES if case.name == name)
    file = _write(case, tmp_path)
    command = [sys.executable, "-m", "bridge", "check", str(file)]
    for _ in range(ATTEMPTS):
        before = _spent()
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
        took = _spent() - before
        if took < 1:
            break
    assert done.returncode == 2
    assert done.stdout == ""
    assert all(LINE.fullmatch(line) for line in done.stderr.removesuffix("\n").split("\n"))
    assert cases.SECRET not in done.stderr
    assert took < 1


def _write(case: cases.Bad, folder: Path) -> Path:
    (folder / "logs").mkdir()
    (folder / "link").symlink_to(folder / "logs")
    (folder / "plain").touch()
    file = folder / "routes.yaml"
    file.write_bytes(case.content)
    return file


def _spent() -> float:
    """Return the seconds of CPU that programs run by this test took: on a busy machine a clock would tell of others."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_every_case_has_its_own_name() -> None:
    """A case that hides behind another's name would not be counted."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 40
