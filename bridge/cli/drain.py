"""`sse-bridge drain`: have the bridge beside us tell its streams to come back elsewhere; for an exec preStop hook.

A native sidecar gets SIGTERM only after the application has ended: too late for its streams. preStop hooks run at once.
"""

import json
import sys
from pathlib import Path
from typing import Final

from bridge.cli.ask import Answered, AskError, Place, admin_of, ask, place_of, readable

OK: Final = 0
FAILED: Final = 1
REFUSED: Final = 2

PATH: Final = "/-/drain"

#: Seconds to wait where nothing else is said: the longest `prestop` and the longest `drain` that there are. The bridge
#: answers at the end of its own.
LONGEST: Final = 2 * 3_600.0 + 60.0

_DONE: Final = 200


def run(file: Path, *, admin: str | None = None, within: str | None = None) -> int:
    """Drain, wait for its end, and return the exit code.

    Nobody to ask is a failure, although a hook's failure stops nothing and is but an event of the pod: a hook that asks
    at a wrong address would else do nothing for ever, and nobody would know.
    """
    try:
        wait = _wait(within)
        place = place_of(admin) if admin is not None else admin_of(file)
    except AskError as error:
        return _said(str(error), REFUSED)
    try:
        answer = ask(place, "POST", PATH, within=wait)
    except TimeoutError:
        sys.stdout.write("the time is over, and the drain goes on\n")
        return OK
    except AskError as error:
        return _said(f"{error}: is there a bridge, and is this its admin port (`server.admin`)?", FAILED)
    return _told(answer, place)


def _wait(within: str | None) -> float:
    if within is None:
        return LONGEST
    # It loads the models, which take longer than all else here.
    from bridge.units import seconds  # noqa: PLC0415

    found = seconds(within)
    if not found:
        raise AskError("--within: expected a duration such as 20s or 1m")
    return found


def _told(answer: Answered, place: Place) -> int:
    if answer.status != _DONE:
        return _said(f"{place}: {answer.status} {readable(answer.body.decode(errors='replace'))}".rstrip(), FAILED)
    try:
        drained = json.loads(answer.body)
        words = f"told {drained['told']} streams; {drained['left']} of them had to be cut"
    except (ValueError, LookupError, TypeError):
        return _said(f"{place}: what answers there is no bridge", FAILED)
    sys.stdout.write(f"{words}\n")
    return OK


def _said(words: str, code: int) -> int:
    sys.stderr.write(f"{words}\n")
    return code
