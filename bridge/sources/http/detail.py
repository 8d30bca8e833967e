"""What the admin port shows of a polled source: how each address is, and what it has cost."""

from collections.abc import Mapping
from typing import Final

from bridge.sources.http.memory import Known, Memory
from bridge.sources.http.plan import Plan
from bridge.sources.schedule import Clock, following

#: Addresses that are shown; the rest is counted. A page of more helps nobody.
MAX_SHOWN: Final = 200


def detail(plan: Plan, memory: Memory, clock: Clock) -> Mapping[str, object]:
    """Return it as values of JSON; those that are polled now come first."""
    shown = sorted(memory, key=lambda known: not known.is_polled)
    told: dict[str, object] = {"addresses": [_address(known, plan, clock) for known in shown[:MAX_SHOWN]]}
    if len(shown) > MAX_SHOWN:
        told["more"] = len(shown) - MAX_SHOWN
    return told


def _address(known: Known, plan: Plan, clock: Clock) -> Mapping[str, object]:
    return {
        "captures": dict(known.captures),
        "state": known.state,
        "status": known.status or None,
        "error": known.words or None,
        "last_at": known.heard_at or None,
        "next_at": _next(known, plan, clock),
        "replies": known.replies,
        "unchanged": known.unchanged,
        "failures": known.failed,
        "bytes": known.bytes,
        "wire": known.wire,
    }


def _next(known: Known, plan: Plan, clock: Clock) -> float | None:
    """Return when it is asked again, in Unix seconds; None while nobody listens."""
    if not known.is_polled:
        return None
    wall = clock.wall()
    # Before now while a poll is under way.
    due = wall + max(0.0, known.due - clock.steady())
    if plan.cron and known.polled_at and not known.failures:
        due = max(due, following(plan.cron, wall))
    return round(due, 3) if due != float("inf") else None
