"""Who a client is, and what aiokafka is told of it."""

import ssl
from pathlib import Path

import pytest
from aiokafka.errors import AuthenticationFailedError
from pydantic import ValidationError

from bridge.sources.kafka.login import TokenFile, client_arguments
from bridge.sources.kafka.sasl import Sasl
from bridge.sources.tls import Tls

USER = {"username": "bridge", "password": {"env": "PASSWORD"}}
SECRET = "HUNTER2"


def made(folder: Path = Path(), **keys: object) -> Sasl:
    """Return the model of what a YAML says."""
    return Sasl.model_validate(keys, context={"folder": folder, "environ": {"PASSWORD": SECRET, "NUL": f"{SECRET}\0"}})


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_goes_with_its_mechanism(mechanism: str) -> None:
    """A user and a password are told, and how to show them."""
    assert client_arguments(None, made(mechanism=mechanism, **USER)) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "bridge",
        "sasl_plain_password": SECRET,
    }


def test_a_token_is_told_by_its_file(tmp_path: Path) -> None:
    """It need not be there yet, and a relative path starts at the folder."""
    sasl = made(tmp_path, mechanism="OAUTHBEARER", token={"file": "token"})
    assert sasl.token is not None
    assert sasl.token.file == tmp_path / "token"
    arguments = client_arguments(None, sasl)
    assert isinstance(arguments["sasl_oauth_token_provider"], TokenFile)
    assert arguments["sasl_mechanism"] == "OAUTHBEARER"


def test_tls_goes_with_and_without() -> None:
    """The protocol's name says both."""
    tls, sasl = Tls(), made(mechanism="PLAIN", **USER)
    assert client_arguments(None, None) == {"security_protocol": "PLAINTEXT"}
    assert client_arguments(tls, None)["security_protocol"] == "SSL"
    assert client_arguments(tls, sasl)["security_protocol"] == "SASL_SSL"
    contexts = [client_arguments(tls, sasl)["ssl_context"] for _ in range(2)]
    assert all(isinstance(context, ssl.SSLContext) for context in contexts)
    assert contexts[0] is not contexts[1]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "Field required"),
        ({"mechanism": "GSSAPI", **USER}, "Input should be 'PLAIN'"),
        ({"mechanism": "plain", **USER}, "Input should be 'PLAIN'"),
        ({"mechanism": "PLAIN"}, "PLAIN needs a `username` and a `password`"),
        ({"mechanism": "PLAIN", "username": "bridge"}, "PLAIN needs a `username` and a `password`"),
        ({"mechanism": "SCRAM-SHA-256", "password": {"env": "PASSWORD"}}, "SCRAM-SHA-256 needs a `username`"),
        (
            {"mechanism": "PLAIN", **USER, "token": {"file": "t"}},
            "PLAIN goes with a `username` and a `password`; a `token` goes with OAUTHBEARER",
        ),
        ({"mechanism": "PLAIN", "token": {"file": "t"}}, "a `token` goes with OAUTHBEARER"),
        ({"mechanism": "PLAIN", **USER, "username": ""}, "at least 1 character"),
        ({"mechanism": "PLAIN", **USER, "username": "a\0b"}, "a NUL"),
        ({"mechanism": "PLAIN", **USER, "password": {"env": "NUL"}}, "a NUL"),
        ({"mechanism": "PLAIN", "username": "bridge", "password": SECRET}, "plain text"),
        ({"mechanism": "OAUTHBEARER"}, "OAUTHBEARER needs a `token`"),
        ({"mechanism": "OAUTHBEARER", "token": SECRET}, "valid dictionary"),
        ({"mechanism": "OAUTHBEARER", "token": {"env": "PASSWORD"}}, "Field required"),
        (
            {"mechanism": "OAUTHBEARER", "token": {"file": "t"}, **USER},
            "OAUTHBEARER goes with a `token` alone; a `username` and a",
        ),
        ({"mechanism": "OAUTHBEARER", **USER}, "OAUTHBEARER goes with a `token` alone"),
    ],
)
def test_what_does_not_go_together_is_refused(keys: dict[str, object], said: str) -> None:
    """It is said what is needed, and no secret is repeated."""
    with pytest.raises(ValidationError) as caught:
        made(**keys)
    messages = [error["msg"] for error in caught.value.errors()]
    assert any(said in message for message in messages), messages
    assert not any(SECRET in message for message in messages)


def test_a_password_does_not_show() -> None:
    """Neither in a repr nor in a dump."""
    sasl = made(mechanism="PLAIN", **USER)
    assert SECRET not in repr(sasl)
    assert SECRET not in sasl.model_dump_json()


async def test_k25_a_token_is_read_at_each_authentication(tmp_path: Path) -> None:
    """Whoever issues it puts a new one there before the old one expires."""
    provider = TokenFile(tmp_path / "token")
    for token in ("eyJhbGciOiJub25lIn0.e30.", "abc-._~+/=="):
        (tmp_path / "token").write_text(f" {token}\n\n")
        assert await provider.token() == token


@pytest.mark.parametrize("content", [None, b"", b"\n", b"a b", b"HUNTER2\x01auth=x", b"\xff", b"a\nb", b"a" * 70_000])
async def test_k25_a_token_that_is_none_is_told_in_words(content: bytes | None, tmp_path: Path) -> None:
    """A missing file, or one that holds something else, is a refusal that names the key and repeats nothing."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(AuthenticationFailedError, match=r"sasl\.token: .*the (file|token)") as caught:
        await TokenFile(tmp_path / "token").token()
    assert SECRET not in str(caught.value)
    assert "of this secret" not in str(caught.value)
