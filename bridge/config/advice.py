"""What to do about YAML that bites: libyaml's complaints, in words for whoever wrote the line.

The advice shows the form to write and never what stands in the file.
"""

import re
from typing import Final

import yaml

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_KEY: Final = re.compile(r"[ \t]*(?:- +)?([A-Za-z0-9_.-]{1,64}):(?:[ \t]|$)")

_BRACES: Final = re.compile(r"[:\-\[,][ \t]+\{[^{}]*\}$")
_QUOTED: Final = re.compile(r"[:\-\[,][ \t]+(?:\".*\"|'.*')[ \t]*$")
_SECOND_COLON: Final = re.compile(r":[ \t].*\S[ \t]*$")

TAB: Final = "a tab cannot indent here: use spaces"
BRACES: Final = 'a text that begins with "{" needs quotes, for example "{device}"'
BRACKETS: Final = 'a text that begins with "[" or "]" needs quotes, for example "[a-z]+"'
VARIABLE: Final = '${NAME} within { } or [ ] needs quotes: "${NAME}"'
COLON: Final = 'a text that holds ": " needs quotes, for example "a ? b : c"'
AFTER_QUOTE: Final = (
    "something follows the closing quote: put the whole text in quotes, one kind outside, the other inside"
)
ESCAPE: Final = "in double quotes a backslash begins an escape: use single quotes, for example '\\d+'"
UNCLOSED_QUOTE: Final = "the quote that opens here is never closed"
UNCLOSED: Final = "what opens here is not closed, or a comma is missing, or a text in it needs quotes"
INDENT: Final = "the indentation fits no line above: align it with the keys that it belongs to"
STAR: Final = 'a text that begins with "*" or "&" needs quotes, for example "*"'
BLOCK: Final = 'a text that begins with "|" or ">" needs quotes, for example "|"'
QUESTION: Final = 'a text that begins with "?" or "-" needs quotes, for example "? x"'

#: The first of libyaml's phrases that its complaint holds gives the advice; what looks at the line comes before.
_PHRASES: Final = (
    ("tab character", TAB),
    ("unknown escape", ESCAPE),
    ("mapping keys are not allowed", QUESTION),
    ("block sequence entries are not allowed", QUESTION),
    ("alphabetic or numeric character", STAR),
    ("comment or line break", BLOCK),
    ("node content", BRACKETS),
    ("'-' indicator", INDENT),
    ("mapping values are not allowed", INDENT),
    ("did not find expected key", INDENT),
    ("document start", INDENT),
)


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[int, int, str]:
    """Return line, column (from 1) and what to do."""
    mark, problem = error.problem_mark, error.problem or ""
    opened = error.context_mark
    if mark is None:
        return 1, 1, f"this is not YAML: {problem}"
    lines = _LINE_END.split(text)
    line = lines[mark.line] if mark.line < len(lines) else ""
    advice = _look(line[: mark.column], line[mark.column :], problem)
    if advice is None and opened is not None and ("end of stream" in problem or "expected ','" in problem):
        # Where it was opened tells more than the end of the file.
        line, mark = lines[opened.line], opened
        advice = UNCLOSED_QUOTE if "quoted" in (error.context or "") else UNCLOSED
    if advice is None:
        advice = next((said for phrase, said in _PHRASES if phrase in problem), f"this is not YAML: {problem}")
    key = _KEY.match(line)
    return mark.line + 1, mark.column + 1, f"{key[1]}: {advice}" if key else advice


def _look(before: str, after: str, problem: str) -> str | None:
    """Return the advice that the line itself gives, if it does."""
    if "cannot start any token" in problem:
        sign = after[:1]
        return TAB if sign == "\t" else f'a text that begins with "{sign}" needs quotes, for example "{sign}x"'
    if before.endswith("$") and after.startswith("{"):
        return VARIABLE
    if _BRACES.search(before):
        return BRACES
    if "did not find expected key" in problem and _QUOTED.search(before):
        return AFTER_QUOTE
    if "mapping values are not allowed" in problem and _SECOND_COLON.search(before):
        return COLON
    return None
