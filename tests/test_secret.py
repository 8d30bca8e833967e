"""Secrets, and that they stay so."""

import copy
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.secret import MAX_BYTES, Secret


class Holder(BaseModel):
    """A model with a secret."""

    model_config = ConfigDict(strict=True, frozen=True)

    token: Secret


def held(value: object, folder: Path = Path(), **environ: str) -> str:
    """Return the secret that a value leads to."""
    holder = Holder.model_validate({"token": value}, context={"folder": folder, "environ": environ})
    return holder.token.reveal()


@pytest.mark.parametrize(
    ("content", "secret"), [("a\n", "a"), ("a", "a"), ("a\n\n", "a\n"), ("a\r\n", "a"), (" é ", " é ")]
)
def test_a_file_loses_one_newline(content: str, secret: str, tmp_path: Path) -> None:
    """Editors and `echo` add one newline, and only that one goes."""
    (tmp_path / "token").write_bytes(content.encode())
    assert held({"file": "token"}, tmp_path) == secret


def test_the_environment_holds_one() -> None:
    """A variable is taken as it is."""
    assert held({"env": "TOKEN"}, TOKEN="a b ") == "a b "


@pytest.mark.parametrize(
    "value",
    [
        "HUNTER2",
        7,
        ["HUNTER2"],
        None,
        {},
        {"file": "a", "env": "b"},
        {"value": "HUNTER2"},
        {"env": 5},
        {"env": "HUNTER2-x"},
        {"file": "HUNTER2"},
        {"file": "HUNTER2/x+y=="},
    ],
)
def test_what_is_refused_is_not_repeated(value: object) -> None:
    """No message shows what stood in a secret's place."""
    with pytest.raises(ValidationError) as caught:
        held(value)
    [error] = caught.value.errors()
    assert "HUNTER2" not in error["msg"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """A variable that is not set, or a file that cannot be read, is told by its name and with the reason."""
    (tmp_path / "empty").touch()
    for value, told in (
        ({"env": "PUSH_TOKEN"}, "the environment variable PUSH_TOKEN of this secret is not set, or empty: set it"),
        (
            {"file": "/nowhere/tok3n"},
            "the file /nowhere/tok3n of this secret cannot be read: No such file or directory",
        ),
        ({"file": "./a1"}, f"the file {tmp_path}/a1 of this secret cannot be read: No such file or directory"),
        ({"file": "empty"}, f"the file {tmp_path}/empty of this secret is empty"),
    ):
        with pytest.raises(ValidationError) as caught:
            held(value, tmp_path)
        assert caught.value.errors()[0]["msg"] == told


def test_files_that_hold_no_secret_are_refused(tmp_path: Path) -> None:
    """A missing, empty, huge or binary file, a folder and a FIFO are errors, and none of them is waited for."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "huge").write_bytes(b"a" * (MAX_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("missing", "fifo", "empty", "huge", "binary", ".", "a\0b"):
        with pytest.raises(ValidationError):
            held({"file": name}, tmp_path)


def test_it_shows_itself_to_nobody() -> None:
    """Neither repr, nor str, nor a dump, nor a copy's repr holds the text."""
    holder = Holder(token=Secret("HUNTER2"))
    shown = (
        repr(holder),
        str(holder.token),
        holder.model_dump_json(),
        f"{copy.copy(holder)!r}",
        str(holder.model_dump()),
    )
    assert not any("HUNTER2" in text for text in shown)


def test_it_is_compared_by_what_it_holds() -> None:
    """`matches` takes text and bytes, whatever stands in them."""
    secret = Secret("é")
    assert secret.matches("é")
    assert secret.matches("é".encode())
    assert not secret.matches("e")
    assert not secret.matches("\udcff")
    assert secret == Secret("é")
    assert secret != Secret("e")
