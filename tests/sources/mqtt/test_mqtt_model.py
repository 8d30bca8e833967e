"""The keys of the `mqtt` source."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.sources.mqtt import Mqtt


def made(**keys: Any) -> Mqtt:
    """Return a source with the two keys that it needs, and these."""
    return Mqtt.model_validate({"url": "mqtt://broker", "topics": ["a/{x}"], **keys})


@pytest.mark.parametrize(("given", "expected"), [(5, "5"), (5.0, "5"), ("5", "5"), ("5.0", "5"), ("3.1.1", "3.1.1")])
def test_a_version_may_be_written_as_yaml_reads_it(given, expected):
    """As a number or as text."""
    assert made(version=given).version == expected


@pytest.mark.parametrize(
    "keys",
    [
        {"version": 4},
        {"version": True},
        {"version": [5]},
        {"version": "3.1"},
        {"topics": []},
        {"topics": ["a/+"]},
        {"topics": "a"},
        {"topics": ["t"] * 101},
        {"qos": 3},
        {"qos": True},
        {"client_id": ""},
        {"client_id": "x" * 300},
        {"client_id": "a\nb"},
        {"username": ""},
        {"password": "hunter2", "username": "u"},
        {"tls": {}},
        {"session": {"expiry": "8d"}},
        {"session": {"expiry": "1500ms"}},
        {"session": {"expiry": 3600}},
        {"share": "a/b"},
        {"share": ""},
        {"keepalive": "0s"},
        {"keepalive": "1d"},
        {"inflight": 0},
        {"inflight": 65_536},
        {"max": "1B"},
        {"max": "17MiB"},
        {"decode": "avro"},
        {"hunter2": 1},
        {"url": "mqtt://u:hunter2@broker"},
    ],
)
def test_what_is_no_value_is_refused(keys):
    """By the model; the configuration adds the place."""
    with pytest.raises(ValidationError) as caught:
        made(**keys)
    assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_a_password_needs_a_user(monkeypatch):
    """MQTT 3.1.1 knows none without."""
    monkeypatch.setenv("PASSWORD", "hunter2")
    with pytest.raises(ValidationError, match="username"):
        made(password={"env": "PASSWORD"})
    assert made(username="u", password={"env": "PASSWORD"}).password.reveal() == "hunter2"


def test_names_are_those_that_all_topics_have():
    """A route may count on them."""
    assert made(topics=["a/{x}/{y}", "b/{x}"]).names() == {"x"}
    assert {"topic", "qos", "retained", "dup"} <= made().facts()


def test_a_session_is_kept_where_it_can_be_found_again():
    """MQTT 5 for its expiry; 3.1.1 under a name of its own."""
    keeps = [
        made(**keys)._plan("s").keeps
        for keys in (
            {},
            {"session": {"expiry": "0s"}},
            {"version": "3.1.1"},
            {"version": "3.1.1", "client_id": "bridge"},
        )
    ]
    assert keeps == [True, False, False, True]
