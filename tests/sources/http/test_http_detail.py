"""What the admin port shows of a polled source."""

import orjson

from bridge.sources.http.detail import MAX_SHOWN, detail
from bridge.sources.http.memory import Memory
from tests.polling import WALL, Hands, plan

SECRET = {"url": "http://a.test/{x}?part={x}", "params": {"x": {"pattern": ".+"}}, "query": {"q": "hidden"}}


def test_each_address_is_shown_with_what_it_has_cost():
    """Those that are polled come first."""
    hands, made = Hands(), plan(**SECRET)
    memory = Memory(made.rules, 10)
    memory.enter((("x", "idle"),)).replies = 3
    memory.leave((("x", "idle"),))
    known = memory.enter((("x", "EUR"),))
    known.status, known.failures, known.words, known.failed = 503, 2, "a.test answers 503", 4
    known.replies, known.unchanged, known.bytes, known.wire = 7, 5, 900, 300
    known.polled_at = known.heard_at = WALL - 10
    known.due = hands.now + 12.5
    shown = detail(made, memory, hands.chance.clock)
    assert shown == {
        "addresses": [
            {
                "captures": {"x": "EUR"},
                "state": "down",
                "status": 503,
                "error": "a.test answers 503",
                "last_at": WALL - 10,
                "next_at": WALL + 12.5,
                "replies": 7,
                "unchanged": 5,
                "failures": 4,
                "bytes": 900,
                "wire": 300,
            },
            {
                "captures": {"x": "idle"},
                "state": "idle",
                "status": None,
                "error": None,
                "last_at": None,
                "next_at": None,
                "replies": 3,
                "unchanged": 0,
                "failures": 0,
                "bytes": 0,
                "wire": 0,
            },
        ],
    }
    assert b"hidden" not in orjson.dumps(shown)


def test_the_states_of_an_address():
    """One that nobody listens to has no other."""
    made = plan()
    memory = Memory(made.rules, 10)
    known = memory.enter(())
    states = [known.state]
    known.failures = 1
    states.append(known.state)
    known.failures, known.replies = 0, 1
    states.append(known.state)
    memory.leave(())
    assert [*states, known.state] == ["starting", "down", "up", "idle"]


def test_a_cron_line_says_when_the_next_poll_is():
    """Unless a fresh reply puts it off, or a failure hurries it."""
    hands, made = Hands(), plan(cron="*/5 * * * *")
    memory = Memory(made.rules, 10)
    known = memory.enter(())

    def following() -> object:
        return detail(made, memory, hands.chance.clock)["addresses"][0]["next_at"]  # type: ignore[index]

    assert following() == WALL
    known.polled_at = WALL
    assert following() == WALL + 200
    known.due = hands.now + 450
    assert following() == WALL + 450
    known.failures, known.due = 1, hands.now + 2
    assert following() == WALL + 2


def test_more_addresses_than_anybody_reads_are_counted():
    """So the document is bounded."""
    made = plan()
    memory = Memory(made.rules, 10_000)
    for n in range(MAX_SHOWN + 5):
        memory.enter((("x", str(n)),))
    shown = detail(made, memory, Hands().chance.clock)
    assert len(shown["addresses"]) == MAX_SHOWN  # type: ignore[arg-type]
    assert shown["more"] == 5
