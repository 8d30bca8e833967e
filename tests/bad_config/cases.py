"""Bad configurations, each with what the error must say and where it must point.

In a text, `HUNTER2` stands for what no error may ever show: a secret, or the value of a key that nobody knows.
"""

from dataclasses import dataclass
from typing import Final

#: Never to be seen in any output.
SECRET: Final = "HUNTER2"


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A configuration that must be refused."""

    name: str
    content: bytes
    #: `LINE:COLUMN` of the first problem.
    at: str
    #: What the first problem says, among other things.
    says: str


def bad(name: str, at: str, says: str, text: str | bytes) -> Bad:
    """Make a case; a text loses its first newline, so that line numbers are as they look."""
    content = text if isinstance(text, bytes) else text.removeprefix("\n").encode()
    return Bad(name=name, content=content, at=at, says=says)


def source(line: str) -> str:
    """Return a file whose line 3 is a source with this line as its mapping."""
    return f"version: 1\nsources:\n  it: {line}\nroutes:\n  /it: {{ from: it }}\n"


def route(line: str, path: str = "/it") -> str:
    """Return a file whose line 6 is a route with this line after its `from`."""
    sources = "sources:\n  clock: { kind: timer, every: 1s }\n  push: { kind: push, subject: 'users/{user}' }\n"
    return f"version: 1\n{sources}routes:\n  {path}: {line}\n"


def server(line: str) -> str:
    """Return a file whose line 2 is the server."""
    return f"version: 1\nserver: {{ {line} }}\n"


YAML: Final = (
    bad("python tag", "1:10", "tags", "version: !!python/object/apply:os.system [HUNTER2]\n"),
    bad("plain tag", "1:10", "tags", "version: !!int '1'\n"),
    bad("unquoted bang", "6:23", "needs quotes", route("{ from: push, event: !x }")),
    bad(
        "alias bomb",
        "6:37",
        "more than 20,000 values",
        "x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"x-{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
            for old, new in zip("abcdefg", "bcdefgh", strict=True)
        ),
    ),
    bad("self alias", "1:10", "never end", "x-a: &a [*a]\n"),
    bad("alias without anchor", "6:23", "needs quotes", route("{ from: push, event: *all }")),
    bad("duplicate key", "3:1", "twice, first in line 1", "version: 1\nserver: {}\nversion: 1\n"),
    bad("duplicate route", "7:3", "twice, first in line 6", route("{ from: clock }") + "  /it: { from: push }\n"),
    bad("yes for true", "6:28", "true or false", route("{ from: clock, gone: yes }")),
    bad("on for true", "6:28", "true or false", route("{ from: clock, gone: on }")),
    bad("sexagesimal duration", "3:28", "such as 15s", source("{ kind: timer, every: 12:30 }")),
    bad("octal duration", "3:28", "such as 15s", source("{ kind: timer, every: 017 }")),
    bad("underscores in a number", "3:38", "whole number", source("{ kind: timer, every: 1s, count: 1_000 }")),
    bad("hexadecimal number", "3:38", "whole number", source("{ kind: timer, every: 1s, count: 0x10 }")),
    bad("exponent for a count", "3:38", "whole number", source("{ kind: timer, every: 1s, count: 1.5e3 }")),
    bad("exponent for a duration", "3:28", "no unit", source("{ kind: timer, every: 1e3 }")),
    bad("date for a duration", "3:28", "such as 15s", source("{ kind: timer, every: 2026-11-21 }")),
    bad("tab indents", "3:1", "use spaces", "version: 1\nsources:\n\tclock: { kind: timer }\n"),
    bad("NUL", "2:4", "U+0000", b"version: 1\nx-a\0: HUNTER2\n"),
    bad("escape sequence", "2:6", "U+001B", b"version: 1\nx-a: \x1b[31mHUNTER2\n"),
    bad("line separator", "2:7", "U+2028", "version: 1\nx-a: a\u2028b\n"),
    bad("UTF-16", "1:1", "UTF-16", "version: 1\n".encode("utf-16")),
    bad("Latin-1", "2:8", "not UTF-8", "version: 1\nx-a: caf\xe9\n".encode("latin-1")),
    bad("two documents", "2:1", "second document", "version: 1\n---\nversion: 1\n"),
    bad("empty file", "1:1", "empty", ""),
    bad("comments alone", "1:1", "empty", "# nothing\n"),
    bad("null document", "1:4", "expected a mapping", "---\n"),
    bad("list at the root", "1:1", "expected a mapping", "- HUNTER2\n"),
    bad("text at the root", "1:1", "expected a mapping", "HUNTER2\n"),
    bad("500 brackets", "1:33", "32 levels", "[" * 500),
    bad("500 levels of keys", "32:63", "32 levels", "".join(f"{'  ' * n}a:\n" for n in range(500))),
    bad("integer of 5,000 digits", "1:10", "15 digits", f"version: {'1' * 5000}\n"),
    bad("float beyond all", "3:28", "too large", source("{ kind: timer, every: 1e999 }")),
    bad("10 MB", "1:1", "1 MiB", b"#" * 10_000_000),
    bad("too many values", "1:40006", "more than 20,000", f"x-a: [{'1,' * 30_000}]\n"),
    bad("merge key", "3:9", "`use`", "x-a: &a { every: 1s }\nsources:\n  it: { <<: *a, kind: timer }\n"),
    bad("braces as a value", "6:24", '"{user}"', route("{ from: push, event: {user} }")),
    bad("braces and more", "7:18", 'begins with "{"', route("\n    event: {user}.HUNTER2")),
    bad("braces as a key", "5:3", "needs quotes", "version: 1\nsources:\n  clock: { kind: timer, every: 1s }\nroutes:\n  {a}: { from: clock }\n"),
    bad("ternary", "7:17", "a ? b : c", route("\n    where: HUNTER2 ? b : c").replace("HUNTER2", "a")),
    bad("quote within quotes", "7:17", "follows the closing quote", route("\n    event: 'it's HUNTER2'")),
    bad("quote never closed", "7:12", "never closed", route("\n    event: \"HUNTER2")),
    bad("bracket never closed", "6:8", "not closed", route("{ from: clock")),
    bad("backslash in double quotes", "7:13", "single quotes", route('\n    event: "\\d"')),
    bad("variable in braces", "2:19", '"${NAME}"', "version: 1\nserver: { listen: ${LISTEN} }\n"),
    bad("indentation", "4:11", "indentation", "version: 1\nsources:\n  clock: HUNTER2\n     every: 1s\n"),
    bad("percent sign", "7:12", "needs quotes", route("\n    event: %H")),
    bad("unknown directive", "1:9", "not YAML", "%HUNTER2\n---\nversion: 1\n"),
)

SECRETS: Final = (
    bad("secret in plain text", "3:27", "plain text", source("{ kind: push, token: HUNTER2 }")),
    bad("secret in braces", "3:27", "`file` or `env`", source("{ kind: push, token: {HUNTER2} }")),
    bad("secret from a variable", "3:27", "plain text", source('{ kind: push, token: "${HUNTER:-HUNTER2}" }')),
    bad("secret file missing", "3:35", "cannot be read", source("{ kind: push, token: { file: /HUNTER2 } }")),
    bad("secret not set", "3:34", "not set", source("{ kind: push, token: { env: HUNTER2 } }")),
    bad("secret of another key", "3:37", "`file` or `env`", source("{ kind: push, token: { value: HUNTER2 } }")),
    bad("secret from a device", "3:35", "not a regular file", source("{ kind: push, token: { file: /dev/zero } }")),
    bad("secret as a number", "3:27", "plain text", source("{ kind: push, token: 123456 }")),
    bad("secret as a list", "3:27", "plain text", source("{ kind: push, token: [HUNTER2] }")),
    bad("misspelt secret", "3:20", "did you mean `token`", source("{ kind: push, tokn: HUNTER2 }")),
)

KEYS: Final = (
    bad("unknown section", "2:1", "did you mean `server`", "version: 1\nsrever: HUNTER2\n"),
    bad("section of nothing like it", "2:1", "known are version", "version: 1\npassword: HUNTER2\n"),
    bad("key of another section", "2:1", "under `server`", "version: 1\nlisten: HUNTER2\n"),
    bad("misspelt key", "6:18", "did you mean `event`", route("{ from: clock, evnt: HUNTER2 }")),
    bad("key of a source in a route", "6:18", "source of kind `timer`", route("{ from: clock, every: HUNTER2 }")),
    bad("key with a line end", "6:18", "unknown key", route('{ from: clock, "a\\nb": HUNTER2 }')),
    bad("nested unknown key", "6:30", "did you mean `visible`", route("{ from: clock, heartbeat: { visble: HUNTER2 } }").replace("6:30", "")),
    bad("newer version", "1:10", "newer sse-bridge", "version: 2\nfancy: HUNTER2\n"),
    bad("version as a text", "1:10", "without quotes", "version: '1'\n"),
    bad("sources as a list", "2:10", "expected a mapping", "version: 1\nsources: [HUNTER2]\n"),
    bad("source as a text", "3:7", "expected a mapping", source("HUNTER2")),
    bad("source without a kind", "3:3", "`kind` is missing", source("{ every: 1s }")),
    bad("unknown kind", "3:15", "did you mean `timer`", source("{ kind: tmer }").replace("it: { kind", "it: { kind")),
    bad("key without a value", "3:13", "has no value", source("{ kind: }")),
    bad("list for a text", "6:24", "a text, not a list", route("{ from: clock, event: [HUNTER2] }")),
    bad("number for a text", "6:24", "put it in quotes", route("{ from: clock, event: 5 }")),
    bad("text for a mapping", "6:27", "mapping", route("{ from: clock, history: HUNTER2 }")),
    bad("text for a list", "6:33", "expected a list", route("{ from: clock, cors: { origins: HUNTER2 } }")),
    bad("quoted number", "2:24", "remove the quotes", "version: 1\nlimits: { subscribers: '5' }\n"),
    bad("mapping kind", "3:15", "not built yet", source("{ kind: mqtt, url: HUNTER2 }")),
    bad("missing variable", "2:19", "HOST is not set", "version: 1\nserver: { listen: '${HOST}' }\n"),
    bad("malformed variable", "2:19", "${NAME:-default}", "version: 1\nserver: { listen: '${a b}' }\n"),
)
