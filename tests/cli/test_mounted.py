"""When the image shows the demo: only to who has given no configuration at all."""

import importlib

import pytest

# The package has a command of some of these names too.
mounted = importlib.import_module("bridge.cli.mounted")

#: A line of /proc/self/mountinfo; its fifth field is where something is mounted, spaces as \\040.
LINE = "36 35 98:0 / {at} rw,noatime master:1 - overlay overlay rw\n"


@pytest.fixture
def folder(tmp_path):
    """Make the folder that a container has, empty."""
    made = tmp_path / "etc" / "sse bridge"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def mounts(tmp_path):
    """Make a table of mounts that has nothing of ours."""
    file = tmp_path / "mountinfo"
    file.write_text(LINE.format(at="/") + LINE.format(at="/proc"))
    return file


def test_an_empty_folder_on_which_nothing_is_mounted_is_nothing(folder, mounts):
    """So is one that is not there."""
    assert mounted.is_nothing(folder / "routes.yaml", mounts)
    assert mounted.is_nothing(folder / "missing" / "routes.yaml", mounts)


@pytest.mark.parametrize("at", ["{folder}", "{folder}/routes.yaml", "{folder}/..data"])
def test_a_mount_is_something_even_if_it_is_empty(folder, mounts, at):
    """Whoever mounts a folder meant to give a configuration."""
    mounts.write_text(mounts.read_text() + LINE.format(at=at.format(folder=folder).replace(" ", "\\040")))
    assert not mounted.is_nothing(folder / "routes.yaml", mounts)


def test_a_mount_beside_it_is_not_meant(folder, mounts):
    """The state's folder, for one."""
    mounts.write_text(mounts.read_text() + LINE.format(at="/var/lib/sse-bridge"))
    assert mounted.is_nothing(folder / "routes.yaml", mounts)


def test_what_cannot_be_found_out_is_something(folder, tmp_path):
    """A demo in place of a configuration that failed would be a lie."""
    assert not mounted.is_nothing(folder / "routes.yaml", tmp_path / "missing")


def test_a_file_a_folder_and_a_dangling_link_of_that_name_are_something(folder, mounts):
    """Each is what was asked for, right or wrong."""
    file = folder / "routes.yaml"
    file.mkdir()
    assert not mounted.is_nothing(file, mounts)
    file.rmdir()
    file.symlink_to("..data/routes.yaml")
    assert not mounted.is_nothing(file, mounts)
    assert mounted.beside(file) is None


def test_the_folders_other_files_are_told(folder):
    """A slip in a name is seen at once; not more than a few of them are named."""
    file = folder / "routes.yaml"
    assert mounted.beside(file) == f"{folder} is empty"
    (folder / "route.yml").touch()
    assert mounted.beside(file) == f"{folder} holds route.yml, and no routes.yaml"
    for number in range(9):
        (folder / f"{number}").touch()
    assert mounted.beside(file) == f"{folder} holds 0, 1, 2, 3, 4 and 5 more, and no routes.yaml"
    assert mounted.beside(folder / "missing" / "routes.yaml") is None


def test_the_demo_runs_only_where_nothing_is_given(folder, monkeypatch, capsys):
    """And the log says that it is the demo, before anything else."""
    ran = []
    demo = importlib.import_module("bridge.cli.demo")
    monkeypatch.setattr(mounted, "ordinary", lambda file, **_: ran.append(file) or 0)
    monkeypatch.setattr(demo, "run", lambda **_: ran.append("demo") or 0)
    monkeypatch.setattr(mounted, "set_up_log", lambda *_: True)
    file = folder / "routes.yaml"
    monkeypatch.setattr(mounted, "is_nothing", lambda file: not file.exists())
    assert mounted.run(file, level=None) == 0
    told = capsys.readouterr()
    assert "no configuration is mounted: this is the demo" in told.out + told.err
    file.touch()
    assert mounted.run(file, level=None) == 0
    assert ran == ["demo", file]
