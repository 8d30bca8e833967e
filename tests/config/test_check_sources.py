"""Sources against the disk."""

import os
from pathlib import Path

import pytest

from bridge.config.check_sources import file_fault, root_fault


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable root would only look like quiet logs. (Root reads everything, so the answer is feigned.)"""
    monkeypatch.setattr(os, "access", lambda *_: False)
    fault = root_fault(tmp_path)
    assert fault is not None
    assert "cannot be read" in fault


def test_a_link_above_the_root_is_allowed(tmp_path: Path) -> None:
    """On many systems /var or /tmp is a link: only the root itself must be none."""
    (tmp_path / "real" / "logs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert root_fault(tmp_path / "link" / "logs") is None
    assert root_fault(tmp_path / "link") is not None


def test_one_file_need_not_be_there_yet(tmp_path: Path) -> None:
    """Its folder must."""
    assert file_fault(tmp_path / "app.log") is None
    assert file_fault(tmp_path / "missing" / "app.log") is not None
    assert file_fault(tmp_path) is not None


@pytest.mark.parametrize("path", ["/a\0b", "/" + "a" * 5000])
def test_a_path_that_no_system_has_is_a_fault(path: str) -> None:
    """Whatever the system says of it, it is an answer and no exception."""
    assert root_fault(Path(path)) is not None
