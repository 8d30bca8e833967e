"""The keys of the source."""

import subprocess
import sys

import pytest

from bridge.errors import ConfigError
from tests.upstream import source

URL = "http://127.0.0.1:3000/events"
NAMED = {"url": f"{URL}/{{city}}", "params": {"city": {"in": ["oslo", "bergen"]}}}


def test_a_source_needs_no_more_than_an_address():
    """It is then read all the time, and may be quiet for ever."""
    made = source(URL)
    assert (made.connect, made.silence, made.is_asked, made.names()) == (None, None, False, frozenset())
    assert made.facts() == {"id", "event"}


def test_names_are_given_by_those_who_listen():
    """So there is nothing to read before somebody does."""
    made = source(**NAMED)
    assert made.is_asked
    assert made.names() == {"city"}
    assert source(**NAMED, connect="listened").is_asked


def test_an_address_without_names_may_be_read_only_when_listened_to():
    """For streams that cost their server."""
    assert source(URL, connect="listened").is_asked
    assert not source(URL, connect="always").is_asked


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({**NAMED, "connect": "always"}, "given by those who listen"),
        ({"url": URL, "connect": "never"}, "always"),
        ({"url": URL, "linger": "2h"}, "0s to 1h"),
        ({"url": URL, "silence": "500ms"}, "1s to 1h"),
        ({"url": URL, "silence": "2h"}, "1s to 1h"),
        ({"url": URL, "max": "1B"}, "1KiB to 16MiB"),
        ({"url": URL, "max": "17MiB"}, "1KiB to 16MiB"),
        ({"url": URL, "timeout": "10ms"}, "100ms to 5m"),
        ({"url": URL, "headers": {"last-event-ID": "7"}}, "written by the bridge"),
        ({"url": "ftp://host/"}, "http:// or https://"),
    ],
)
def test_bad_keys_are_refused_in_words(keys, words):
    """Each with its bounds."""
    with pytest.raises(ConfigError, match=words):
        source(**keys)


def test_a_check_of_the_keys_loads_no_client():
    """It answers in a tenth of the time."""
    code = "import sys, bridge.sources.sse; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
