"""CSV, and its bounds."""

import pytest

from bridge.sources.http.reply import ReplyError
from bridge.sources.http.tables import MAX_CELLS, MAX_NAMES, rows


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ('a,b\n"x, ""y""\nz",\n', [{"a": 'x, "y"\nz', "b": ""}]),
        ("\na;b;c,d\n1;2;3\n", [{"a": "1", "b": "2", "c,d": "3"}]),
        ("a\tb\n1\t2", [{"a": "1", "b": "2"}]),
        ("a\r1\r2\r", [{"a": "1"}, {"a": "2"}]),
        ("\n\na,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        ("a,b\n", []),
    ],
)
def test_rows_are_read_by_the_names_of_the_header(text, found):
    """As RFC 4180 has it, and with the delimiters of spreadsheets."""
    assert rows(text, 10) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n\n", "empty"),
        ("a,b\n1\n", "line 2 has 1 fields of 2"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 fields of 2"),
        ("a,b,a\n", "columns 1 and 3 of the reply have one name"),
        ('a\n"x', "line 2"),
        ('a\n"x"y\n', "line 2"),
        ("a\n" + "x" * 200_000, "field larger than field limit"),
        ("a" * 257 + "\n1\n", "over 256 signs"),
        (",".join(f"c{n}" for n in range(1_001)), "more than 1000 columns"),
        ("a\n" + "1\n" * 11, "more than 10 rows"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text, words):
    """No row is left out or filled up."""
    with pytest.raises(ReplyError, match=words):
        rows(text, 10)


def test_long_names_on_many_short_rows_do_not_grow_without_bound():
    """A megabyte of commas would become gigabytes of JSON."""
    header = ",".join(f"{n:0250}" for n in range(900))
    with pytest.raises(ReplyError, match=f"more than {MAX_NAMES // (250 * 900)} rows"):
        rows(header + ("\n" + "," * 899) * 1_000, 10_000)


def test_many_empty_cells_do_not_grow_without_bound():
    """Eight megabytes of commas would be eight million texts with a name each."""
    header = ",".join(f"{n}" for n in range(1_000))
    with pytest.raises(ReplyError, match=f"more than {MAX_CELLS // 1_000} rows"):
        rows(header + ("\n" + "," * 999) * 2_000, 10_000)
