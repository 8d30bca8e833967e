"""Where file systems are mounted."""

from pathlib import Path

from bridge.mounts import places

LINE = "36 35 98:0 /a {place} rw,noatime master:1 - ext3 /dev/root rw\n"


def test_places_are_as_they_are_written_elsewhere(tmp_path: Path) -> None:
    """Spaces, tabs and backslashes are octal there; a carriage return is not, and ends no line."""
    file = tmp_path / "mountinfo"
    file.write_bytes("".join(LINE.format(place=each) for each in (r"/a\040b", r"/c\134d", "/e\rf", "/ü")).encode())
    assert places(file) == {Path("/a b"), Path("/c\\d"), Path("/e\rf"), Path("/ü")}


def test_a_place_that_is_no_utf_8_is_kept(tmp_path: Path) -> None:
    """It compares with what the system gives for the same path."""
    file = tmp_path / "mountinfo"
    file.write_bytes(LINE.format(place="/x").encode().replace(b"/x", b"/\xff"))
    assert places(file) == {Path("/\udcff")}


def test_what_cannot_be_found_out_is_none(tmp_path: Path) -> None:
    """Nobody can tell then, which is something else than that nothing is mounted."""
    assert places(tmp_path / "missing") is None


def test_this_process_sees_its_root() -> None:
    """The kernel's own file is read."""
    found = places()
    assert found is not None
    assert Path("/") in found
