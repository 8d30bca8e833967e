"""`sse-bridge init`: a commented configuration to start from."""

import sys
from pathlib import Path
from typing import Final

OK: Final = 0
REFUSED: Final = 2

#: It must be accepted as it stands, wherever it is written: so it names no folder.
TEXT: Final = """\
# What sse-bridge serves. `sse-bridge run` starts it, `sse-bridge check` tests this file.
version: 1

sources:                        # where events come from
  clock: { kind: timer, every: 1s }
  notices: { kind: push }       # curl 127.0.0.1:9090/-/push/notices -d hello
  # logs: { kind: file, root: /var/log/app, match: "{service}.log" }

routes:                         # what browsers open: new EventSource("http://127.0.0.1:8080/clock")
  /clock: { from: clock }
  /notices: { from: notices, event: notice, start: { last: 10 } }
  # /logs/{service}: { from: logs, start: { last: 100 } }
"""


def run(path: Path) -> int:
    """Write the file unless there is one; return the exit code."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEXT)
    except FileExistsError:
        sys.stderr.write(f"{path}: there is one already, and it stays as it is: name another file\n")
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"{path}: cannot be written: {error.strerror}\n")
        return REFUSED
    sys.stdout.write(f"{path}: written; now `sse-bridge run {path}`\n")
    return OK
