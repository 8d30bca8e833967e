"""Everything that the bridge raises on purpose.

* `BridgeError`
    * `ConfigError`   the configuration is wrong; carries every problem with its place
    * `TemplateError` a text with holes is wrong; carries the column
    * `SourceError`   a source lost what it reads; the supervisor starts it again
    * `PushError`     a pushed request is refused; carries the HTTP status
"""

from collections.abc import Sequence
from typing import NamedTuple


class BridgeError(Exception):
    """Base of every error below."""


class Problem(NamedTuple):
    """One thing that is wrong with the configuration, and where it stands."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class ConfigError(BridgeError):
    """The configuration is refused; `problems` says why, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class TemplateError(BridgeError):
    """A text with holes is wrong at `column` (from 0)."""

    def __init__(self, text: str, column: int = 0) -> None:
        super().__init__(text)
        self.column = column


class SourceError(BridgeError):
    """A source lost what it reads from and should be started again."""


class PushError(BridgeError):
    """A pushed request is refused with an HTTP status and a reason for its sender."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
