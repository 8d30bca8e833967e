"""Bad configurations, each with what the error must say and where it must point.

In a text, `§` marks the place that the first error must name, and is not part of the file. `HUNTER2` stands for what no
error may ever show: a secret, or the value of a key that nobody knows.
"""

from dataclasses import dataclass
from typing import Final

#: Never to be seen in any output.
SECRET: Final = "HUNTER2"

MARK: Final = "§"


@dataclass(frozen=True)
class Bad:
    """A configuration that must be refused."""

    name: str
    #: What the first problem says, among other things.
    says: str
    content: bytes
    #: `LINE:COLUMN` of the first problem.
    at: str


def bad(name: str, says: str, text: str) -> Bad:
    """Make a case of a text with a mark."""
    before, mark, after = text.partition(MARK)
    assert mark, name
    lines = before.split("\n")
    return Bad(name, says, (before + after).encode(), f"{len(lines)}:{len(lines[-1]) + 1}")


def source(line: str) -> str:
    """Return a file with one source, whose mapping is this line."""
    return f"version: 1\nsources:\n  it: {line}\nroutes:\n  /it: {{ from: it }}\n"


def route(line: str, path: str = "/it") -> str:
    """Return a file with some sources and one route, whose mapping is this line."""
    return f"{SOURCES_THERE}routes:\n  {path}: {line}\n"


def server(line: str) -> str:
    """Return a file whose server has this line as its mapping."""
    return f"version: 1\nserver: {line}\n"


SOURCES_THERE: Final = """\
version: 1
sources:
  clock: { kind: timer, every: 1s }
  ten: { kind: timer, every: 1s, count: 10 }
  users: { kind: push, subject: "users/{user}" }
  rooms: { kind: push, subject: "{building}/{room}", capture: { tenant: data.tenant } }
"""

BOMB: Final = "x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x-{new}: &{new} [{MARK if new == 'e' else ''}{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcd", "bcde", strict=True)
)

YAML: Final = (
    bad("python tag", "tags", "version: §!!python/object/apply:os.system [HUNTER2]\n"),
    bad("plain tag", "tags", "version: §!!int '1'\n"),
    bad("tag directive", "tags", "§%TAG ! tag:x.org,2000:\n---\nversion: 1\n"),
    bad("unquoted bang", "needs quotes", route("{ from: users, event: §!x }")),
    bad("alias bomb", "more than 20,000 values", BOMB),
    bad("self alias", "never end", "x-a: &a [§*a]\n"),
    bad("alias without anchor", "needs quotes", route("{ from: users, event: §*all }")),
    bad("alias as a key", "needs quotes", "x-a: &a b\n§*a : 1\n"),
    bad("duplicate key", "twice, first in line 1", "version: 1\nserver: {}\n§version: 1\n"),
    bad("duplicate route", "twice, first in line 8", route("{ from: clock }") + "  §/it: { from: clock }\n"),
    bad("yes for true", "true or false", route("{ from: clock, gone: §yes }")),
    bad("on for true", "true or false", route("{ from: clock, gone: §on }")),
    bad("sexagesimal duration", "such as 15s", source("{ kind: timer, every: §12:30 }")),
    bad("octal duration", "such as 15s", source("{ kind: timer, every: §017 }")),
    bad("underscores in a number", "whole number", source("{ kind: timer, every: 1s, count: §1_000 }")),
    bad("hexadecimal number", "whole number", source("{ kind: timer, every: 1s, count: §0x10 }")),
    bad("exponent for a count", "not a fraction", source("{ kind: timer, every: 1s, count: §1.5e3 }")),
    bad("exponent for a duration", "no unit: write `1000s`", source("{ kind: timer, every: §1e3 }")),
    bad("infinity", "such as 15s", source("{ kind: timer, every: §.inf }")),
    bad("date for a duration", "such as 15s", source("{ kind: timer, every: §2026-11-21 }")),
    bad("tab indents", "use spaces", "version: 1\nsources:\n§\tclock: { kind: timer }\n"),
    bad("NUL", "U+0000", "version: 1\nx-a§\0: HUNTER2\n"),
    bad("escape sequence", "U+001B", "version: 1\nx-a: §\x1b[31mHUNTER2\n"),
    bad("line separator", "U+2028", "version: 1\nx-a: a§\u2028b\n"),
    Bad("UTF-16", "UTF-16", "version: 1\n".encode("utf-16"), "1:1"),
    Bad("Latin-1", "not UTF-8", "version: 1\nx-a: café\n".encode("latin-1"), "2:9"),
    bad("two documents", "second document", "version: 1\n§---\nversion: 1\n"),
    bad("empty file", "empty", "§"),
    bad("comments alone", "empty", "§# nothing\n"),
    bad("null document", "expected a mapping", "---\n§"),
    bad("list at the root", "expected a mapping", "§- HUNTER2\n"),
    bad("text at the root", "expected a mapping", "§HUNTER2\n"),
    bad("500 brackets", "32 levels", f"{'[' * 32}§{'[' * 468}"),
    bad("500 levels of keys", "32 levels", "".join(f"{'  ' * n}{MARK if n == 32 else ''}a:\n" for n in range(500))),
    bad("integer of 5,000 digits", "15 digits", f"version: §{'1' * 5000}\n"),
    bad("float beyond all", "too large", source("{ kind: timer, every: §1e999 }")),
    Bad("10 MB", "1 MiB", b"#" * 10_000_000, "1:1"),
    bad("too many values", "more than 20,000", f"x-a: [{'1,' * 19_998}§{'1,' * 9}]\n"),
    bad("merge key", "`use`", "x-a: &a { every: 1s }\nsources:\n  it: { §<<: *a, kind: timer }\n"),
    bad("braces as a value", '"{user}"', route("{ from: users, event: §{user} }")),
    bad("braces and more", 'begins with "{"', route("\n    event: {user}§.HUNTER2")),
    bad("braces as a key", "needs quotes", "version: 1\nroutes:\n  §{a}: { from: clock }\n"),
    bad("ternary", "a ? b : c", route("\n    where: a ? b §: c")),
    bad("quote within quotes", "follows the closing quote", route("\n    event: 'it'§s HUNTER2'")),
    bad("quote never closed", "never closed", route('\n    event: §"HUNTER2')),
    bad("bracket never closed", "not closed", route("§{ from: clock")),
    bad("backslash in double quotes", "single quotes", route('\n    event: "§\\d"')),
    bad("variable in braces", '"${NAME}"', server("{ listen: $§{LISTEN} }")),
    bad("indentation", "indentation", "version: 1\nsources:\n  clock: HUNTER2\n     every§: 1s\n"),
    bad("percent sign", "needs quotes", route("\n    event: §%H")),
    bad("unknown directive", "not YAML", "%HUNTER2§\n---\nversion: 1\n"),
)

SECRETS: Final = (
    bad("secret in plain text", "plain text", source("{ kind: push, token: §HUNTER2 }")),
    bad("secret in braces", "`file` or `env`", source("{ kind: push, token: §{HUNTER2} }")),
    bad("secret from a variable", "plain text", source('{ kind: push, token: §"${HUNTER:-HUNTER2}" }')),
    bad("secret's file missing", "/nowhere/token of this", source("{ kind: push, token: §{ file: /nowhere/token } }")),
    bad("secret not set", "PUSH_TOKEN of this", source("{ kind: push, token: §{ env: PUSH_TOKEN } }")),
    bad("secret of another key", "`file` or `env`", source("{ kind: push, token: §{ value: HUNTER2 } }")),
    bad("secret from a device", "not a regular file", source("{ kind: push, token: §{ file: /dev/zero } }")),
    bad("secret as a number", "plain text", source("{ kind: push, token: §123456 }")),
    bad("secret as a list", "plain text", source("{ kind: push, token: §[HUNTER2] }")),
    bad("misspelt secret", "did you mean `token`", source("{ kind: push, §tokn: HUNTER2 }")),
)

KEYS: Final = (
    bad("unknown section", "did you mean `server`", "version: 1\n§srever: HUNTER2\n"),
    bad("section of nothing like it", "known are version", "version: 1\n§passphrase: HUNTER2\n"),
    bad("key of another section", "under `server`", "version: 1\n§listen: HUNTER2\n"),
    bad("misspelt key", "did you mean `event`", route("{ from: clock, §evnt: HUNTER2 }")),
    bad("key of a source in a route", "source of kind `timer`", route("{ from: clock, §every: HUNTER2 }")),
    bad("key of two kinds", "of kind `timer` or `http`", source("{ kind: sse, url: 'http://h', §every: HUNTER2 }")),
    bad("key of many kinds", "`mqtt`, `kafka`, `http` or `sse`", source("{ kind: timer, every: 1s, §tls: HUNTER2 }")),
    bad("key of other tools", "did you mean `every`", source("{ kind: timer, §interval: HUNTER2 }")),
    bad("key of other tools for a page", "mean `every`", source("{ kind: http, url: 'http://h', §interval: HUNTER2 }")),
    bad("key with a line end", "a\\nb: unknown key", route('{ from: clock, §"a\\nb": HUNTER2 }')),
    bad("nested unknown key", "did you mean `visible`", route("{ from: clock, heartbeat: { §visble: HUNTER2 } }")),
    bad("newer version", "newer sse-bridge", "version: §2\nfancy: HUNTER2\n"),
    bad("version as a text", "without quotes", "version: §'1'\n"),
    bad("sources as a list", "expected a mapping", "version: 1\nsources: §[HUNTER2]\n"),
    bad("source as a text", "expected a mapping", source("§HUNTER2")),
    bad("source without a kind", "`kind` is missing", source("{ every: 1s }").replace("it:", "§it:", 1)),
    bad("unknown kind", "did you mean `timer`", source("{ kind: §tmer }")),
    bad("kind without a value", "has no value", source("{ kind: §}")),
    bad("key without a value", "has no value", route("{ from: clock, event: §}")),
    bad("list for a text", "a text, not a list", route("{ from: clock, event: §[HUNTER2] }")),
    bad("number for a text", "put it in quotes", route("{ from: clock, event: §5 }")),
    bad("text for a mapping", "expected a mapping", route("{ from: clock, history: §HUNTER2 }")),
    bad("text for a list", "expected a list", route("{ from: clock, cors: { origins: §HUNTER2 } }")),
    bad("quoted number", "remove the quotes", "version: 1\nlimits: { subscribers: §'5' }\n"),
    bad("missing variable", "HOST is not set", server("{ listen: §'${HOST}' }")),
    bad("malformed variable", "${NAME:-default}", server("{ listen: §'${a b}' }")),
    bad(
        "unknown profile",
        "there is `board`; did you mean",
        f"profiles: {{ board: {{}} }}\n{route('{ from: clock, use: §bord }')}",
    ),
    bad("profile in a profile", "take in another", "profiles:\n  a: {}\n  b: { §use: a }\n"),
    bad("unknown key of a profile", "profiles.a.HUNTER", "profiles:\n  a: { §HUNTER: HUNTER2 }\n"),
    bad("wrong value of a profile", "profiles.a.heartbeat", "profiles:\n  a: { heartbeat: §HUNTER2 }\n"),
    bad("route's key in defaults", "to a route", "defaults: { §from: HUNTER2 }\n"),
    bad("source's name", "letters, digits", "version: 1\nsources:\n  §a b: { kind: push }\n"),
)


def polled(line: str) -> str:
    """Return a file whose one source is polled, with this in its mapping."""
    return source(f"{{ kind: http, every: 1s, {line} }}")


def whole(line: str) -> str:
    """Return the same, marked as a whole."""
    return polled(line).replace("  it: {", "  §it: {", 1)


LISTENED: Final = """\
version: 1
sources:
  it: { kind: http, every: 1s, url: "http://h/{x}", params: { x: { in: [a] } } }
routes:
  §/it: { from: it }
"""

ASKED: Final = (
    bad(
        "polled without an address",
        "sources.it.url: is missing",
        "version: 1\nsources:\n  §it: { kind: http, every: 1s }\n",
    ),
    bad("polled without a pace", "`every`", "version: 1\nsources:\n  §it: { kind: http, url: http://h/ }\n"),
    bad("polled at an interval of nothing", "100ms to 366d", source("{ kind: http, url: http://h/, every: §0s }")),
    bad("link-local address", "link-local", whole("url: http://169.254.169.254/latest/meta-data")),
    bad("link-local address of IPv6", "link-local", whole('url: "http://[fe80::1]/"')),
    bad("metadata by name", "hands out credentials", whole("url: http://metadata.google.internal/")),
    bad("address as one number", "usual form", polled("url: §http://2852039166/")),
    bad("address in hexadecimal", "usual form", polled("url: §http://0xa9fea9fe/")),
    bad("password in an address", "ends up in logs", polled("url: §http://u:HUNTER2@h/")),
    bad("key in an address", "ends up in logs", polled("url: §http://h/?api_key=HUNTER2")),
    bad("fragment", "is not sent", polled("url: §http://h/#HUNTER2")),
    bad("another scheme", "begins with http", polled("url: §file:///HUNTER2")),
    bad("name in the host", "never in the host", polled('url: §"http://{x}.h/", params: { x: { in: [a] } }')),
    bad("name without a rule", "needs a rule", source('§{ kind: http, every: 1s, url: "http://h/{x}" }')),
    bad("rule without a name", "does not have", polled("url: http://h/, params: §{ x: { in: [a] } }")),
    bad("two rules in one", "expected one of", polled('url: "http://h/{x}", params: { x: §{ in: [a], pattern: b } }')),
    bad("rule that is no expression", "RE2", polled('url: "http://h/{x}", params: { x: { pattern: §"(HUNTER2" } }')),
    bad("rule as a list", "{ in: [EUR, USD] }", polled('url: "http://h/{x}", params: { x: §[HUNTER2] }')),
    bad("header of two lines", "line break", polled('url: http://h/, headers: §{ X-A: "a\\r\\nHUNTER2" }')),
    bad("header that is ours", "of the connection", polled("url: http://h/, headers: §{ Host: HUNTER2 }")),
    bad("token in plain text", "plain text", polled("url: http://h/, bearer: §HUNTER2")),
    bad("body of a GET", "goes with `method: POST`", whole("url: http://h/, body: x")),
    bad("pointer without a slash", "begins with a slash", polled("url: http://h/, emit: items, items: §HUNTER2")),
    bad("changes of items", "goes with `emit: changes`", whole("url: http://h/, emit: items, delta: json-patch")),
    bad("endless timeout", "100ms to 10m", polled("url: http://h/, timeout: §2h")),
    bad("silence of nothing", "1s to 1h", source("{ kind: sse, url: http://h/, silence: §0s }")),
    bad("no subscriber gives the name", "needs `x`", LISTENED),
    bad("application of another scheme", "address of an application", server("{ upstream: §ftp://HUNTER2 }")),
    bad("application at a link-local address", "link-local", server("{ upstream: §http://169.254.169.254 }")),
    bad(
        "application that is the bridge",
        "back to the bridge",
        server("{ listen: 127.0.0.1:8080, upstream: §http://127.0.0.1:8080 }"),
    ),
)

UNBUILT: Final = (
    *(
        bad(f"route's {key}", f"`{key}` is not built yet", route(f"{{ from: clock, §{key}: HUNTER2 }}"))
        for key in ("where", "data", "tests", "on_error", "params", "durable")
    ),
    *(bad(f"server's {key}", f"`{key}` is not built yet", server(f"{{ §{key}: HUNTER2 }}")) for key in ("workers",)),
    bad("positions of a source without", "has no positions", route("{ from: users, ids: §position }")),
    bad(
        "positions of a group",
        "take the `group` of `it` away, or `sequence`",
        "sources: { it: { kind: kafka, brokers: ['k:1'], topics: [t], group: g } }\n"
        "routes: { /it: { from: it, ids: §position } }\n",
    ),
    bad(
        "positions of two sources",
        "several sources",
        route("{ from: [clock, users], ids: §position }"),
    ),
    bad("conflation", "`conflate` is not built yet", route("{ from: clock, slow: §conflate }")),
    bad("sampling", "`sample` is not built yet", route("{ from: clock, slow: §{ sample: 5/s } }")),
    bad(
        "required scope", "`require` is not built yet", route("{ from: clock, auth: §{ require: { scope: HUNTER2 } } }")
    ),
    bad("issuers", "not built yet", "version: 1\n§auth: { issuers: { main: { secret: HUNTER2 } } }\n"),
    bad("claims in bind", "not built yet", route('{ from: users, bind: { user: §"{claims.sub}" } }')),
    bad("expression in event", "not built yet", route("{ from: users, event: §'order.{data.status}' }")),
    bad("expression in key", "not built yet", route("{ from: users, key: §'data.a + data.b' }")),
    bad("expression in capture", "not built yet", source("{ kind: push, capture: { a: §'data.a > 3' } }")),
)

SERVER: Final = (
    bad("wide listener", "say `auth: anonymous`", f"server: {{ listen: §':8080' }}\n{route('{ from: clock }')}"),
    bad(
        "wide listener, one route closed",
        "this route has no `auth`",
        f"server: {{ listen: ':8080' }}\n{SOURCES_THERE}routes:\n"
        "  /a: { from: clock, auth: anonymous }\n  §/b: { from: clock }\n",
    ),
    bad("wide admin", "asks for no token", server("{ admin: §'0.0.0.0:9090' }")),
    bad("port alone", 'write "127.0.0.1:8080"', server("{ listen: §8080 }")),
    bad("port beyond all", "an address and a port", server("{ listen: §'127.0.0.1:65536' }")),
    bad("Unix socket", "not built yet", server("{ listen: §'unix:/run/HUNTER2' }")),
    bad(
        "two listeners, one port", "another listener", server("{ listen: '127.0.0.1:9000', admin: §'127.0.0.1:9000' }")
    ),
    bad("base that climbs", "`..`", server("{ base: §/a/../b }")),
    bad("base without a slash", "begins with a slash", server("{ base: §streams }")),
    bad("hop with host bits", "10.0.0.0/8", server("{ hops: [ §10.1.2.3/8 ] }")),
    bad("host with a line end", "host name", server('{ hosts: [ §"a\\r\\nX-Evil: HUNTER2" ] }')),
    bad("page that is not there", "no such file or folder", server("{ pages: { /a: §./HUNTER2 } }")),
    bad("page of ours", "the bridge's own", server("{ pages: { §/-/a: / } }")),
    bad("page that climbs", "`..`", server("{ pages: { §/../a: / } }")),
    bad("upstream without a scheme", "the address of an application", server("{ upstream: §HUNTER2:3000 }")),
    bad("upstream of another scheme", "the address of an application", server("{ upstream: §ftp://HUNTER2 }")),
    bad("upstream as a number", "the address of an application", server("{ upstream: §3000 }")),
    bad("upstream with a user", "without a user", server("{ upstream: §'http://a:HUNTER2@app:3000' }")),
    bad(
        "upstream with a path",
        "`server.upstreams` with `strip_prefix: true`",
        server("{ upstream: §'http://app:3000/HUNTER2' }"),
    ),
    bad("upstream with a query", "ends with its port", server("{ upstream: §'http://app:3000?HUNTER2' }")),
    bad("upstream with a name", "never in the host", server('{ upstream: §"http://{HUNTER2}:3000" }')),
    bad("upstream with an impossible port", "port", server("{ upstream: §'http://app:99999' }")),
    bad("upstream that is a metadata service", "metadata", server("{ upstream: §'http://169.254.169.254' }")),
    bad("upstream within IPv6's clothes", "metadata", server("{ upstream: §'http://[::ffff:169.254.169.254]' }")),
    bad("upstream that is ourselves", "leads back", server("{ listen: '[::1]:80', upstream: §'http://localhost' }")),
    bad("upstream that is the admin port", "leads back", server("{ upstream: §'http://127.0.0.1:9090' }")),
    bad("socket without a path", "path of a Unix socket", server("{ upstream: §'unix:' }")),
    bad("socket with a long path", "at most 107 bytes", server(f"{{ upstream: §'unix:/{'a' * 200}' }}")),
    bad("tls without https", "https://", server("{ upstream: §{ url: 'http://app', tls: {} } }")),
    bad("timeout without a unit", "write `60s`", server("{ upstream: { url: 'http://app', timeout: §60 } }")),
    bad("no time to connect", "10ms", server("{ upstream: { url: 'http://app', connect: §0s } }")),
    bad(
        "host that is neither", "expected keep or target", server("{ upstream: { url: 'http://app', host: §HUNTER2 } }")
    ),
    bad("health without a slash", "expected a path", server("{ upstream: { url: 'http://app', health: §HUNTER2 } }")),
    bad("no connections", "1", server("{ upstream: { url: 'http://app', connections: §0 } }")),
    bad("exception that is no host", "hosts and", server("{ upstream: { url: 'http://app', allow: §[a/b] } }")),
    bad("unknown key of upstream", "HUNTER", server("{ upstream: { url: 'http://app', §HUNTER: HUNTER2 } }")),
    bad("prefix of the whole", "strip_prefix", server("{ upstream: { url: 'http://app', §strip_prefix: true } }")),
    bad("upstreams that are none", "expected a mapping", server("{ upstreams: §HUNTER2 }")),
    bad("upstreams without a slash", "begins with a slash", server("{ upstreams: { §api: 'http://app' } }")),
    bad("upstreams of ours", "the bridge's own", server("{ upstreams: { §/-/a: 'http://app' } }")),
    bad("upstreams that climb", "`..`", server("{ upstreams: { §/../a: 'http://app' } }")),
    bad("upstreams with a name", "neither names nor", server("{ upstreams: { §'/{a}': 'http://app' } }")),
    bad("upstreams of everything", "is `server.upstream`", server("{ upstreams: { §/: 'http://app' } }")),
    bad(
        "upstreams that stand twice",
        "another application has this path",
        server("{ upstreams: { /a: 'http://app', §/a/: 'http://app' } }"),
    ),
    bad("upstream in the wrong place", "under `server`", "version: 1\n§upstream: HUNTER2\n"),
    bad("state that is a file", "this is a file", server("{ state: §/etc/passwd }")),
    bad("drain without a unit", "write `10s`", server("{ drain: §10 }")),
    bad("prestop beyond all grace", "1h", server("{ prestop: §2h }")),
    bad("age of no time", "1s", server("{ age: §0s }")),
    bad("age beyond all sense", "30d", server("{ age: §365d }")),
    bad(
        "public push without a token", "give it a `token`", "server: { push: public }\nsources:\n  §a: { kind: push }\n"
    ),
    bad("memory without a unit", "no unit", "version: 1\nlimits: { memory: §268435456 }\n"),
    bad("no memory at all", "at least 1MiB", "version: 1\nlimits: { memory: §0B }\n"),
    bad("rate without a unit", "100/s", "version: 1\nlimits: { connects: §100 }\n"),
)

ROUTES: Final = (
    bad("no source", "`from` is missing", route("{ event: x }", "§/it")),
    bad("unknown source", "did you mean `clock`", route("{ from: §clok }")),
    bad("source twice", "stands here twice", route("{ from: [clock, §clock] }")),
    bad("run of one's own among others", "feeds a route alone", route("{ from: [clock, §ten] }")),
    bad("path without a slash", "begins with a slash", route("{ from: clock }", "§it")),
    bad("path that climbs", "`..`", route("{ from: clock }", "§/a/../b")),
    bad("path of ours", "the bridge's own", route("{ from: clock }", "§/-/it")),
    bad("encoded path", "percent-encoded", route("{ from: clock }", "§/a%2Fb")),
    bad("wildcard", "{name*}", route("{ from: clock }", "§/a/*")),
    bad("empty segment", "`//`", route("{ from: clock }", "§/a//b")),
    bad("space in a path", "spaces", route("{ from: clock }", "§/a b")),
    bad("holes that touch", "put a text between them", route("{ from: rooms }", "§/{building}{room}")),
    bad("name twice", "stands twice", route("{ from: rooms }", "§/{room}/{room}")),
    bad("query without a value", "name=value", route("{ from: clock }", '§"/a?b"')),
    bad("name that the source lacks", "has `building`, `room`, `tenant`", route("{ from: rooms }", "§/{rom}")),
    bad("name that one source lacks", "no name `user`", route("{ from: [users, clock] }", "§/{user}")),
    bad(
        "routes that overlap",
        "both would take /x/x",
        route("{ from: rooms }", "/{building}/{room}") + "  §/{room}/{building}: { from: rooms }\n",
    ),
    bad("routes but for a slash", "both would take /it", route("{ from: clock }") + "  §/it/: { from: clock }\n"),
    bad("queries that overlap", "?a=1&b=2", route("{ from: clock }", '"/it?a=1"') + '  §"/it?b=2": { from: clock }\n'),
    bad("event named error", "onerror", route("{ from: clock, event: §error }")),
    bad("event named open", "onopen", route("{ from: clock, event: §open }")),
    bad("event of ours", "the bridge's own", route("{ from: clock, event: §bridge.gap }")),
    bad("event of ours, with a hole", "the bridge's own", route("{ from: users, event: §'bridge.{user}' }")),
    bad("event with a space", "begins with a letter", route("{ from: clock, event: §a b }")),
    bad("event with a line end", "begins with a letter", route('{ from: clock, event: §"a\\ndata: HUNTER2" }')),
    bad("event with an unknown name", "did you mean `user`", route("{ from: users, event: §'{usr}' }")),
    bad(
        "feed's event with an unknown name",
        "did you mean `user`",
        route("{ from: [ { source: users, event: §'{usr}' } ] }"),
    ),
    bad("event with a lone brace", "lone", route("{ from: users, event: §'a}' }")),
    bad("key with an unknown name", "did you mean `user`", route("{ from: users, key: §usr }")),
    bad("bind of an unknown name", "did you mean `user`", route("{ from: users, bind: { §usr: ann } }")),
    bad("bind of a name in the path", "`bind` fixes `user`", route("{ from: users, bind: { user: ann } }", "§/{user}")),
    bad(
        "an event in parts under a key",
        "a key keeps one event",
        "sources: { p: { kind: push } }\nroutes: { /x: { from: p, key: subject, oversize: §split } }\n",
    ),
    bad("snapshot without a key", "give the route a `key`", route("{ from: clock, start: §snapshot }")),
    bad("last of nothing", "at least 1", route("{ from: clock, start: { last: §0 } }")),
    bad("start at a number", "`{ last: N }`", route("{ from: clock, start: §5 }")),
    bad("retry 0", "in a loop", route("{ from: clock, retry: §0 }")),
    bad("retry 0s", "in a loop", route("{ from: clock, retry: §0s }")),
    bad("retry below a second", "at least 1s", route("{ from: clock, retry: §999ms }")),
    bad("exact retry below a second", "at least 1s", route("{ from: clock, retry: { exact: §1ms } }")),
    bad("retry beyond 32 bits", "at most", route("{ from: clock, retry: §30d }")),
    bad("retry without a unit", "write `3s`", route("{ from: clock, retry: §3 }")),
    bad("heartbeat 0", "at least 10ms", route("{ from: clock, heartbeat: §0s }")),
    bad("heartbeat without a unit", "write `15s`", route("{ from: clock, heartbeat: §15 }")),
    bad("history of nothing", "at least 1", route("{ from: clock, history: { events: §0 } }")),
    bad("unknown word", "truncate, skip or split", route("{ from: clock, oversize: §drop }")),
    bad("null as an origin", '["*"]', route("{ from: clock, cors: { origins: [ §'null' ] } }")),
    bad(
        "origin with a path",
        "without a path",
        route("{ from: clock, cors: { origins: [ §https://HUNTER2.example/x ] } }"),
    ),
    bad(
        "origin with a line end",
        "an origin",
        route('{ from: clock, cors: { origins: [ §"https://a\\r\\nX: HUNTER2" ] } }'),
    ),
    bad(
        "all origins and one",
        "leave the others out",
        route("{ from: clock, cors: { origins: §['*', 'https://a.example'] } }"),
    ),
    bad("no origin", "expected one at least", route("{ from: clock, cors: { origins: §[] } }")),
    bad("gone with more", "no other key", route("{ gone: true, §from: clock }")),
    bad("list without names", "this has none", route("{ from: clock, list: §/api }")),
    bad(
        "list at a route",
        "has this path already",
        route("{ from: users, list: §/it/ }", "/{user}") + "  /it: { from: clock }\n",
    ),
    bad(
        "list's entry with an unknown name",
        "did you mean `user`",
        route("{ from: users, list: { path: /api, name: §'{usr}' } }", "/{user}"),
    ),
    bad(
        "list's path with a name",
        "neither names nor a query",
        route("{ from: users, list: §'/api/{user}' }", "/{user}"),
    ),
    bad("empty mapping of sources", "there is no source yet", "version: 1\nroutes:\n  §/it: {}\n"),
)

SOURCES: Final = (
    bad("timer without a time", "`every`", source("{ kind: timer }").replace("it:", "§it:", 1)),
    bad("timer with two", "`every`", source("{ kind: timer, every: 1s, cron: '* * * * *' }").replace("it:", "§it:", 1)),
    bad("timer too fast", "10ms", source("{ kind: timer, every: §9ms }")),
    bad("timer of nothing", "at least 1", source("{ kind: timer, every: 1s, count: §0 }")),
    bad("bad cron", "", source("{ kind: timer, cron: §'HUNTER2' }")),
    bad("unknown hole", "{n}", source("{ kind: timer, every: 1s, payload: §'{m}' }")),
    bad("hole without quotes", '"{n}"', source("{ kind: timer, every: 1s, payload: §{n} }")),
    bad(
        "capture of a name that is there", "already", source("{ kind: push, subject: '{a}', capture: { §a: data.b } }")
    ),
    bad("capture of a word", "of its own", source("{ kind: push, capture: { §data: data.b } }")),
    bad(
        "name in a subject that is a word",
        "of its own",
        source("{ kind: push, subject: 'x/{key}' }").replace("it:", "§it:", 1),
    ),
    bad(
        "required page",
        "only while somebody listens",
        source("{ kind: http, url: 'http://127.0.0.1/', every: 1s, required: §true }"),
    ),
    bad(
        "required upstream that is read while somebody listens",
        "connect: always",
        source("{ kind: sse, url: 'http://127.0.0.1/', connect: listened, required: §true }"),
    ),
    bad("required in words", "true", source("{ kind: push, required: §maybe }")),
    bad("source's bind of an unknown name", "no name `b`", source("{ kind: push, subject: '{a}', bind: { §b: c } }")),
)

#: The folder of these has a folder `logs`, a link `link` to it, and a file `plain`.
FILES: Final = (
    bad("root that is not there", "no such folder", source("{ kind: file, root: §./HUNTER2, match: '{f}.log' }")),
    bad("root that is a file", "not a folder", source("{ kind: file, root: §./plain, match: '{f}.log' }")),
    bad("root that is a link", "symbolic link", source("{ kind: file, root: §./link, match: '{f}.log' }")),
    bad("root that is nothing", "path", source("{ kind: file, root: §'', match: '{f}.log' }")),
    bad("root without a match", "belong together", source("{ kind: file, root: ./logs }").replace("it:", "§it:", 1)),
    bad("neither root nor path", "expected either", source("{ kind: file }").replace("it:", "§it:", 1)),
    bad("match that climbs", "beneath root", source("{ kind: file, root: ./logs, match: §'../{f}.log' }")),
    bad("match that is absolute", "beneath root", source("{ kind: file, root: ./logs, match: §'/etc/{f}' }")),
    bad("match with a lone brace", "lone", source("{ kind: file, root: ./logs, match: §'{f.log' }")),
    bad("match with holes that touch", "two holes touch", source("{ kind: file, root: ./logs, match: §'{a}{b}' }")),
    bad("match with two rests", "", source("{ kind: file, root: ./logs, match: §'{a*}/{b*}/{a*}' }")),
    bad(
        "match with a word for a name",
        "of its own",
        source("{ kind: file, root: ./logs, match: '{text}' }").replace("it:", "§it:", 1),
    ),
    bad("path that is a folder", "this is a folder", source("{ kind: file, path: §./logs }")),
    bad("path in a folder that is not there", "not there", source("{ kind: file, path: §./HUNTER2/a.log }")),
    bad("begin at a number", "expected end or beginning or", source("{ kind: file, path: ./a, begin: §5 }")),
    bad("begin at an unknown word", "or { last: … }", source("{ kind: file, path: ./a, begin: §start }")),
    bad("begin at the last none", "at least 1", source("{ kind: file, path: ./a, begin: { last: §0 } }")),
    bad("misspelt last", "did you mean `last`", source("{ kind: file, path: ./a, begin: { §lst: HUNTER2 } }")),
    bad("bad regular expression", "regular expression", source("{ kind: file, path: ./a, lines: { start: §'(' } }")),
    bad("backreference", "regular expression", source("{ kind: file, path: ./a, lines: { start: §'(a)\\1' } }")),
    bad("lines without a unit", "no unit", source("{ kind: file, path: ./a, lines: { max: §65536 } }")),
    bad("lines beyond all", "16MiB", source("{ kind: file, path: ./a, lines: { max: §1GiB } }")),
    bad(
        "misspelt key of lines", "did you mean `start`", source("{ kind: file, path: ./a, lines: { §strat: HUNTER2 } }")
    ),
    bad("poll that never rests", "50ms", source("{ kind: file, path: ./a, poll: §0s }")),
    bad("redaction", "`redact` is not built yet", source("{ kind: file, path: ./a, §redact: none }")),
)
