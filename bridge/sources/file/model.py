"""The keys of the `file` source."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol, Self

import re2  # type: ignore[import-untyped]  # it has no stubs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.errors import TemplateError
from bridge.sources.base import Outlet, Place, Source
from bridge.sources.file.begin import Begin
from bridge.sources.file.beneath import Root
from bridge.sources.file.follow import absolute, descriptors, follow
from bridge.sources.file.lines import Splitter
from bridge.sources.file.tailer import Plan
from bridge.template import Template
from bridge.units import Duration, Size

#: A line of less is no line; one of more is no event that a browser can show, and is held in memory as a whole.
MIN_LINE: Final = 16
MAX_LINE: Final = 16 * 1024 * 1024
#: A held line keeps those after it waiting in a rotated file.
MIN_FLUSH, MAX_FLUSH = 0.01, 3600.0
MIN_POLL, MAX_POLL = 0.05, 3600.0
#: How many lines `last` may ask for: a start reads them back before anything else.
MAX_LAST: Final = 1_000_000
#: Memory that one regular expression may take when compiled, bytes.
REGEX_MEMORY: Final = 1024 * 1024


class Regex(Protocol):
    """A compiled regular expression."""

    def search(self, text: bytes, /) -> object | None:
        """Return a match anywhere in the text, or None."""
        ...


def _path(value: object) -> object:
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    return value


def _bounded(least: float, most: float, words: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if least <= value <= most:
            return value
        raise PydanticCustomError("bounds", "expected {words}", {"words": words})

    return check


def compiled(pattern: str) -> Regex:
    """Compile a regular expression that runs in time linear in its text; raises `re2.error`."""
    options = re2.Options()
    options.max_mem = REGEX_MEMORY
    options.log_errors = False
    regex: Regex = re2.compile(pattern.encode(), options)
    return regex


def _regex(value: str) -> str:
    try:
        compiled(value)
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PydanticCustomError("regex", "expected a regular expression: {reason}", {"reason": text}) from None
    return value


def _match(value: str) -> str:
    """Check a template of relative paths."""
    try:
        Template.parse(value)
    except TemplateError as error:
        raise PydanticCustomError(
            "template", "{reason} (column {column})", {"reason": str(error), "column": error.column + 1}
        ) from None
    if value.startswith("/") or any(part in ("", ".", "..") for part in value.split("/")) or "\0" in value:
        raise PydanticCustomError("template", "expected a path beneath root, without '..', for example {file}.log")
    return value


FilePath = Annotated[Path, BeforeValidator(_path)]


class Last(BaseModel):
    """Begin some lines before the end."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    last: int = Field(ge=1, le=MAX_LAST, description="How many lines before the end to begin.", examples=[1000])


class Lines(BaseModel):
    """How bytes are cut into events."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max: Annotated[Size, AfterValidator(_bounded(MIN_LINE, MAX_LINE, "a size of 16B to 16MiB"))] = Field(
        default=1024 * 1024,
        description="The longest event, 16B to 16MiB. A longer record of several lines is cut between two of them.",
        examples=["1MiB", "64KiB"],
    )
    over: Literal["split", "skip"] = Field(
        default="split",
        description="What becomes of a longer line: `split` into events, or `skip`ped, which is told with a gap.",
        examples=["skip"],
    )
    flush: Annotated[Duration, AfterValidator(_bounded(MIN_FLUSH, MAX_FLUSH, "a duration of 10ms to 1h"))] = Field(
        default=1.0,
        description=(
            "How long to wait for the end of a line, or for more lines of a record, before what is there is sent, "
            "10ms to 1h."
        ),
        examples=["1s", "250ms"],
    )
    start: Annotated[str, AfterValidator(_regex)] | None = Field(
        default=None,
        description=(
            "A regular expression (RE2) that is found in the first line of each record; "
            "a line without it is joined to the one before."
        ),
        examples=[r"^\d{4}-"],
    )
    indent: bool = Field(
        default=False,
        description="Join lines that begin with a space or a tab to the one before, as in stack traces.",
        examples=[True],
    )

    def splitter(self) -> Splitter:
        """Return what cuts bytes as these keys say."""
        return Splitter(self.max, self.over == "skip", self._continues())

    def _continues(self) -> Callable[[bytes], bool] | None:
        if self.start is None:
            return _is_indented if self.indent else None
        search = compiled(self.start).search
        if self.indent:
            return lambda line: line[:1] in (b" ", b"\t") or search(line) is None
        return lambda line: search(line) is None


def _is_indented(line: bytes) -> bool:
    return line[:1] in (b" ", b"\t")


class File(Source):
    """Lines of files as they grow: one file, the files of a folder, or a tree."""

    path: FilePath | None = Field(
        default=None,
        description="The one file to follow. It need not be there yet. Either this, or `root` with `match`.",
        examples=["./app.log"],
    )
    root: FilePath | None = Field(
        default=None,
        description="The folder beneath which files are followed. No link that leads out of it is.",
        examples=["/var/log/app"],
    )
    match: Annotated[str, AfterValidator(_match)] | None = Field(
        default=None,
        description=(
            "Which files beneath `root`, and what their paths tell: `{name}` stands for a part of one segment, "
            "`{name*}` for the rest of the path. Compressed files are left out."
        ),
        examples=["{service}/{file}.log", "{path*}.log"],
    )
    begin: Literal["end", "beginning"] | Last = Field(
        default="end",
        description=(
            "Where to begin in files that are there at the first start: `end`, `beginning`, or `{ last: N }` lines. "
            "Later ones, and those rotated in, are read whole. With `state` a restart goes on where it was."
        ),
        examples=["beginning", {"last": 1000}],
    )
    lines: Lines = Field(
        default=Lines(),
        description=(
            "How bytes are cut into events. A line ends at LF or CRLF. Each event has the names `file` (the path "
            "beneath root), `offset` (of its first byte) and `line` (its number, from 1; 0 where files were too "
            "large at the first start to count the lines before it)."
        ),
        examples=[{"max": "64KiB", "indent": True}],
    )
    poll: Annotated[Duration, AfterValidator(_bounded(MIN_POLL, MAX_POLL, "a duration of 50ms to 1h"))] = Field(
        default=1.0,
        description=(
            "How often to look at all files, 50ms to 1h, for where the system does not tell of changes, as on network "
            "file systems. Less often where there are so many that looking would take a twentieth of the time."
        ),
        examples=["1s", "10s"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.path is None) == (self.root is None):
            raise PydanticCustomError("file", "expected either `path`, or `root` with `match`")
        if (self.root is None) != (self.match is None):
            raise PydanticCustomError("file", "`root` and `match` belong together, for example match: '{file}.log'")
        if self.path is not None and not self.path.name:
            raise PydanticCustomError("file", "`path` is one file; for a folder use `root` with `match`")
        return self

    @cached_property
    def template(self) -> Template:
        """Return the template that the relative paths match."""
        if self.match is not None:
            return Template.parse(self.match)
        name = self.path.name if self.path is not None else ""
        return Template.parse(name.replace("{", "{{").replace("}", "}}"))

    @property
    def folder(self) -> Path:
        """Return the folder beneath which files are followed."""
        return self.root or (self.path or Path()).parent

    def follows(self, before: Source) -> bool:
        """Tell whether it follows files of the same folder: then where it stood in each holds, as after a restart."""
        return isinstance(before, File) and absolute(str(self.folder)) == absolute(str(before.folder))

    def names(self) -> frozenset[str]:
        """Return the names that the template takes from the path."""
        return frozenset(self.template.names)

    def facts(self) -> frozenset[str]:
        """Return what each event is told with."""
        return frozenset({"file", "offset", "line"})

    async def run(self, outlet: Outlet, place: Place) -> None:
        """Emit every line that is appended, until cancelled."""
        begin: Begin = self.begin.last if isinstance(self.begin, Last) else self.begin
        plan = Plan(
            name=place.name,
            root=Root(Path(absolute(str(self.folder)))),
            template=self.template,
            begin=begin,
            splitter=self.lines.splitter(),
            flush=self.lines.flush,
            poll=self.poll,
            descriptors=descriptors(),
        )
        await follow(plan, outlet, place)
