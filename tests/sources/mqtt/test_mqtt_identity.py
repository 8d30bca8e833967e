"""Under which client id a source connects."""

from bridge.sources.mqtt.identity import NAME, derived, token


def test_hosts_and_sources_have_tokens_of_their_own():
    """The same after a restart."""
    tokens = [token(None, host, source) for host in ("pod-0", "pod-1") for source in ("a", "b")]
    assert len(set(tokens)) == 4
    assert token(None, "pod-0", "a") == tokens[0]


def test_what_the_state_keeps_wins_over_the_host(tmp_path):
    """A volume may come back under another host's name."""
    assert token(tmp_path, "pod-0", "a") == token(tmp_path, "pod-1", "a")
    assert token(tmp_path, "pod-0", "a") != token(None, "pod-0", "a")


def test_a_damaged_file_is_replaced(tmp_path):
    """By a token that then stays."""
    (tmp_path / NAME).write_bytes(b"\xff" * 100)
    made = token(tmp_path, "pod", "a")
    assert token(tmp_path, "pod", "a") == made


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path):
    """The host's name serves."""
    assert token(tmp_path / "missing", "pod", "a") == token(None, "pod", "a")


def test_an_id_shows_whose_it_is_in_signs_that_every_broker_takes():
    """Short enough for those in the cloud."""
    assert derived("plant", "0" * 16) == "sse-bridge-plant-0000000000000000"
    assert derived("plänt /#", "t", "s") == "sse-bridge-pl-nt----t-s"
    assert len(derived("x" * 500, "0" * 16, "0" * 8)) <= 128
