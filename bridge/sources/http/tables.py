"""CSV and JSON lines: lists of items, by nature."""

import csv
import io
from collections import Counter
from typing import Final

from bridge.sources import strict
from bridge.sources.http.reply import ReplyError

#: Columns of a table, and signs of a column's name.
MAX_COLUMNS: Final = 1_000
MAX_NAME: Final = 256

#: Each row repeats the names of all columns, so a reply grows: characters that the names may come to in all.
MAX_NAMES: Final = 32 * 1024 * 1024

#: Cells of all rows. Eight millions of them, empty ones in as many bytes, took 300 MiB and five seconds.
MAX_CELLS: Final = 1_000_000

#: What may stand between two fields; a spreadsheet of many a country writes the second.
_DELIMITERS: Final = ",;\t"


def rows(text: str, limit: int) -> list[dict[str, str]]:
    """Return the rows of a CSV (RFC 4180) as objects by its header, all texts; raises `ReplyError`.

    The delimiter is the one of comma, semicolon and tab that the header has most of. Empty lines count for nothing.
    """
    delimiter = max(_DELIMITERS, key=text.lstrip("\r\n").partition("\n")[0].count)
    # Without `newline` a field would lose the line ends within it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[dict[str, str]] = []
    names: list[str] = []
    most = limit
    try:
        for row in reader:
            if not row:
                continue
            if not names:
                names = _header(row)
                most = min(limit, MAX_NAMES // sum(map(len, names), start=1), MAX_CELLS // len(names))
                continue
            if len(row) != len(names):
                raise ReplyError(f"the reply is not CSV: line {reader.line_num} has {len(row)} fields of {len(names)}")
            if len(found) == most:
                raise ReplyError(f"the reply has more than {most} rows")
            found.append(dict(zip(names, row, strict=True)))
    except csv.Error as error:
        # Its words are constants: a quote that is not closed, a field beyond its limit of 128 KiB.
        raise ReplyError(f"the reply is not CSV: line {reader.line_num}: {error}") from None
    if not names:
        raise ReplyError("the reply is empty, without even the names of columns")
    return found


def _header(row: list[str]) -> list[str]:
    if len(row) > MAX_COLUMNS or max(map(len, row)) > MAX_NAME:
        raise ReplyError(f"the reply has more than {MAX_COLUMNS} columns, or one whose name has over {MAX_NAME} signs")
    name, count = Counter(row).most_common(1)[0]
    if count > 1:
        first = row.index(name)
        raise ReplyError(f"columns {first + 1} and {row.index(name, first + 1) + 1} of the reply have one name")
    return row


def lines(text: str, limit: int) -> list[str]:
    """Return the JSON lines of a text, checked and as they came; raises `ReplyError`. Empty ones count for nothing."""
    found: list[str] = []
    # LF alone: the other line ends that Python knows may stand within a JSON text.
    for number, line in enumerate(text.split("\n"), 1):
        each = line.strip(" \t\r")
        if not each:
            continue
        if len(found) == limit:
            raise ReplyError(f"the reply has more than {limit} lines")
        try:
            strict.parse(each, number)
        except strict.NotJsonError as error:
            raise ReplyError(f"the reply is not JSON lines: {error}") from None
        found.append(each)
    return found
