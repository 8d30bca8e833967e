"""The keys that `http` and `sse` share: where to, as whom, past what.

All that can be known without a connection is checked here, and no message repeats a value.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from bridge.params import Param
from bridge.secret import Secret
from bridge.sources.base import Source
from bridge.sources.tls import Tls
from bridge.sources.web import headers, policy
from bridge.sources.web.address import Address, host_fault, is_secret
from bridge.sources.web.login import Basic, Proxy, Value, faulty, wrong
from bridge.sources.web.remote import Remote, basic

#: Different addresses that are asked at the same time. Each costs a task, a connection and a value kept.
AT_ONCE, MAX_AT_ONCE = 100, 1_000

#: Headers, parameters and exceptions that one writes by hand.
MAX_HEADERS: Final = 32
MAX_QUERY: Final = 16
MAX_ALLOW: Final = 100

_PARAMETER: Final = re.compile(r"[^\s&=#?]{1,256}")


class Web(Source):
    """What a source that asks an HTTP server has for keys."""

    url: Annotated[str, AfterValidator(faulty("url", Address.parse))] = Field(
        description=(
            "Where to ask: `http://` or `https://`. A `{name}` in its path or in a value of its query is given by the "
            "subscriber and percent-encoded; each needs a rule in `params`. The path, without host and query, is the "
            "events' `subject`."
        ),
        examples=["https://api.example.com/rates/{currency}", "http://127.0.0.1:3000/api/metrics"],
    )
    params: dict[str, Param] = Field(
        default_factory=dict,
        validate_default=True,
        description=(
            "What a subscriber may give for each name of `url`: one of a list, what fits a pattern, or an integer in "
            "a range."
        ),
        examples=[{"currency": {"in": ["EUR", "USD"]}}],
    )
    at_once: Annotated[int, Field(ge=1, le=MAX_AT_ONCE)] = Field(
        default=AT_ONCE,
        description=(
            "How many different addresses are asked at the same time. A stream that would need one more is told to "
            "come back."
        ),
        examples=[20],
    )
    query: Annotated[dict[str, Value], Field(max_length=MAX_QUERY)] = Field(
        default_factory=dict,
        description=(
            "Parameters that are added to the query and shown nowhere: `{ api_key: { file: … } }`. They are sent to "
            "the host of `url` alone."
        ),
        examples=[{"api_key": {"file": "/run/secrets/api"}}],
    )
    headers: Annotated[dict[str, Value], Field(max_length=MAX_HEADERS)] = Field(
        default_factory=dict,
        description=(
            "Headers of every request: texts, or secrets, which are sent to the host of `url` alone. Those of the "
            "connection itself, Host, Content-Length, Accept-Encoding and Via are the bridge's own."
        ),
        examples=[{"Accept-Language": "de"}, {"X-Api-Key": {"env": "API_KEY"}}],
    )
    basic: Basic | None = Field(
        default=None,
        description="A user and a password to prove oneself with (RFC 7617).",
        examples=[{"username": "bridge", "password": {"file": "/run/secrets/api"}}],
    )
    bearer: Secret | None = Field(
        default=None,
        description="A token to prove oneself with (RFC 6750).",
        examples=[{"file": "/run/secrets/api"}],
    )
    tls: Tls | None = Field(
        default=None,
        description="Certificates, for https. Without it the system's authorities are trusted.",
        examples=[{"ca": "/etc/ssl/api-ca.pem"}],
    )
    proxy: Proxy | None = Field(
        default=None,
        description="The proxy to go through. Variables such as HTTPS_PROXY are not looked at.",
        examples=[{"url": "http://proxy:3128"}],
    )
    allow: Annotated[list[str], Field(max_length=MAX_ALLOW)] = Field(
        default_factory=list,
        description=(
            "Hosts and addresses that are reached although they are link-local, a cloud's metadata service, or "
            "private and led to by a redirect."
        ),
        examples=[["169.254.169.254"], ["files.internal"]],
    )

    @field_validator("params")
    @classmethod
    def _check_params(cls, value: dict[str, Param], info: ValidationInfo) -> dict[str, Param]:
        url = info.data.get("url")
        if not isinstance(url, str):
            return value
        names = Address.parse(url).names
        for name in names:
            if name not in value:
                example = f"params: {{ {name}: {{ in: [a, b] }} }}"
                raise wrong("params", f"`url` has the name {name!r}, which needs a rule: {example}")
        for name in value:
            if name not in names:
                raise wrong("params", "a rule for a name that `url` does not have")
        return value

    @field_validator("query")
    @classmethod
    def _check_query(cls, value: dict[str, str | Secret]) -> dict[str, str | Secret]:
        for name, given in value.items():
            if not _PARAMETER.fullmatch(name) or not name.isprintable():
                raise wrong("query", "expected the name of a parameter, for example api_key")
            text = given.reveal() if isinstance(given, Secret) else given
            if not text.isprintable():
                raise wrong("query", "a value has printable characters alone")
            if is_secret(name) and not isinstance(given, Secret):
                raise wrong("query", f"a secret cannot stand here in plain text: {headers.HOW}")
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str | Secret]) -> dict[str, str | Secret]:
        seen: set[str] = set()
        for name, given in value.items():
            text = given.reveal() if isinstance(given, Secret) else given
            if fault := headers.fault(name, text, is_secret=isinstance(given, Secret)):
                raise wrong("headers", fault)
            if name.lower() in seen:
                raise wrong("headers", "a header stands here twice: case does not count in its name")
            seen.add(name.lower())
        return value

    @field_validator("bearer")
    @classmethod
    def _check_bearer(cls, value: Secret | None) -> Secret | None:
        if value is not None and not headers.is_token68(value.reveal()):
            raise wrong("bearer", "expected a token of letters, digits and -._~+/= (RFC 6750, section 2.1)")
        return value

    @field_validator("allow")
    @classmethod
    def _check_allow(cls, value: list[str]) -> list[str]:
        for text in value:
            if host_fault(text.strip("[]")):
                raise wrong("allow", "expected hosts and addresses, for example files.internal or 169.254.169.254")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        # Not `_check`: a kind's own validator of the same name would stand in for it.
        address = Address.parse(self.url)
        ways = [self.basic is not None, self.bearer is not None, "authorization" in map(str.lower, self.headers)]
        if sum(ways) > 1:
            raise wrong("auth", "one of `basic`, `bearer` and an Authorization header proves who asks: take one")
        if self.tls is not None and not address.is_tls:
            raise wrong("tls", "`tls` goes with an address that begins with https://")
        if fault := policy.literal_fault(address.host, self._allowed()):
            raise wrong("url", fault)
        return self

    def names(self) -> frozenset[str]:
        """Return the names of `url`: every message has them."""
        return frozenset(Address.parse(self.url).names)

    def rules(self) -> Mapping[str, Param]:
        """Return the rules for what subscribers give, in the order of the names in `url`."""
        return {name: self.params[name] for name in Address.parse(self.url).names}

    @property
    def at_most(self) -> int:
        """Return how many different addresses may be listened to at the same time."""
        return self.at_once

    def remote(self) -> Remote:
        """Return what the client needs to know."""
        credentials = {name: value for name, value in self.headers.items() if isinstance(value, Secret)}
        if self.basic is not None:
            credentials["Authorization"] = basic(self.basic.username, self.basic.password)
        if self.bearer is not None:
            credentials["Authorization"] = Secret(f"Bearer {self.bearer.reveal()}")
        return Remote(
            address=Address.parse(self.url),
            headers={name: value for name, value in self.headers.items() if isinstance(value, str)},
            credentials=credentials,
            query={name: value if isinstance(value, Secret) else Secret(value) for name, value in self.query.items()},
            tls=self.tls or Tls(),
            proxy=self.proxy.via() if self.proxy is not None else None,
            allow=self._allowed(),
        )

    def _allowed(self) -> frozenset[str]:
        return frozenset(map(policy.entry, self.allow))
