"""What the reference says beside its tables."""

from collections.abc import Mapping
from typing import Final

INTRODUCTION: Final = """\
# Reference

<!-- Written by `python -m bridge.config.reference` from the models in `bridge/config` and `bridge/sources`. -->

The keys of `routes.yaml`, as this version has them. `sse-bridge check` tests a file, `sse-bridge check --resolved`
shows every value with where it comes from, and `sse-bridge schema` prints the same as JSON Schema, for editors:

```yaml
# yaml-language-server: $schema=./routes.schema.json
```

## How it is written

- **Durations** have a unit: `250ms`, `15s`, `1h30m`, `2d`. **Sizes** too: `64KiB`, `4MiB`, `1GiB`. **Rates**: `100/s`.
  A bare number is a count.
- **Scalars** are YAML 1.2's: only `true`, `false`, `null`, decimal integers and floats are not text. `NO`, `on`,
  `12:30` and `017` are text.
- **Variables**: `${NAME}` and `${NAME:-default}` are filled in, in values. One that is not set is refused. Within `{ }`
  and `[ ]` they need quotes, and what is quoted is text. `$${` stands for `${`.
- **Secrets** are `{ file: /run/secrets/name }` (one newline at its end is stripped) or `{ env: NAME }`, never plain
  text, and are never printed.
- **Names and holes**: `{name}` is a part of one segment, `{name*}` the rest. What a source takes from a file's path or
  a subject, a route may use in its path, in `event`, `key`, `bind` and `list`. `{{` and `}}` stand for braces.
- **Plain paths** look into a record: `data.customer.id`, `headers.region`, `key`, `subject`.
- **Layers**: built-in, then `defaults`, then `use`, then the route itself. Mappings merge, lists replace, `none`
  switches off.
- **Relative paths** start at the file's folder.
- **A folder of files** is one configuration: `sse-bridge run routes.d/`. Names are unique over all files, their order
  means nothing, and files that begin with a dot are skipped.
- Unknown keys are refused; those that begin with `x-` are yours and are ignored.
"""

TOP: Final = """\
## The file

| key | type | default | what |
|---|---|---|---|
| `version` | `1` | `1` | The version of this language. |
| `server` | [server](#server) | | Where the bridge listens, and what it keeps on disk. |
| `limits` | [limits](#limits) | | Bounds of the whole process. |
| `defaults` | [defaults](#defaults) | | What holds for every route that does not say otherwise. |
| `profiles` | mapping | | Named parts for sources and routes, taken in with `use: name` or `use: [a, b]`. |
| `auth` | `anonymous` | | Everyone may read every route. Without it: loopback only, or route by route. |
| `sources` | mapping | | Where events come from, by name: see [sources](#sources). |
| `routes` | mapping | | Where events go, by path: see [routes](#routes). |
"""

ROUTES: Final = """\
A route's path begins with a slash and may hold names: `/logs/{service}/{file}` is a channel for each pair. It may end
in a query: `"/events?stream=messages"`, `"/events?stream={name}"`. A literal segment wins over a name, a name over a
rest; any other overlap is refused. `/-/` is the bridge's own. A route also has all keys of [defaults](#defaults).
"""

UPSTREAMS: Final = """\
An application that answers for the paths beneath one. It also has all keys of [upstream](#upstream). A path is matched
as it comes to the bridge, `server.base` included: under `base: /streams` write `/streams/api`. What an application
answers goes out as it is: a `Location` and the `Path` of a cookie are not rewritten, so with `strip_prefix` it puts
`X-Forwarded-Prefix` in front of them itself.
"""

ADMIN: Final = """\
## The admin port

What `server.admin` answers. It asks for no token, and answers to localhost, its own address and the names in
`server.hosts` alone.

| address | method | what |
|---|---|---|
| `/` | `GET` | The console: every route, live. |
| `/-/routes` | `GET` | The routes as JSON: their addresses and sources, what they hold, how many listen. |
| `/-/sources` | `GET` | The sources as JSON: their states, what is wrong in words, what they have counted. |
| `/-/applications` | `GET` | The applications behind as JSON: how each is, and the requests on their way to it. |
| `/-/view/…` | `GET` | A stream or a list of the public port, by its path: `/-/view/clock` is `/clock`. |
| `/-/push/…` | `POST`, `DELETE` | What a `push` source takes: `/-/push/{source}/{subject}`. |
| `/-/live` | `GET` | 200 as long as the process turns. |
| `/-/started` | `GET` | 200 once the file is loaded and the listeners are up. It waits for no broker or application. |
| `/-/ready` | `GET` | 200 if new connections are welcome, else 503 and why, one reason a line. |
| `/-/metrics` | `GET` | What is counted, for Prometheus (docs/metrics.md has each), in the format that it asks for. |
| `/-/log` | `GET`, `PUT` | The log's level, and another for a while: `{"level": "debug", "for": "10m"}`. |
| `/-/reload` | `GET`, `POST` | Reads the file again: 200 with what has changed, 422 with `problems`; how that went. |
| `/-/drain` | `POST` | Drains as SIGTERM does, and then goes on; at its end it answers `{"told":…,"left":…}`. |

`/-/live`, `/-/started`, `/-/ready` and `/-/metrics` are on `server.health` too. An application that waits for the
bridge asks for `/-/started`: with `upstream.health` the bridge is not ready before the application is. Of a drain's
streams `told` were asked to come back, and `left` of those were cut at its end; `sse-bridge drain` asks for it in a
preStop hook.
"""

SOURCES: Final = """\
A source has a `kind` and that kind's keys. What a route may call its records by stands under [names](#names). Every
kind has these too:
"""

#: What each kind vouches for of every record, and what its record's own key is; nothing where it has none.
FACTS: Final[Mapping[str, Mapping[str, str]]] = {
    "file": {
        "file": "the path beneath `root`",
        "offset": "of the line's first byte",
        "line": "its number, from 1",
    },
    "timer": {},
    "push": {"subject": "what follows the source's name in the address, unless the source's `subject` has names"},
    "mqtt": {
        "topic": "the whole topic",
        "qos": "0, 1 or 2",
        "retained": "1 for one that the broker kept, else 0",
        "dup": "1 for one that it sent again, else 0",
        "content_type": "where its sender gave one",
        "expiry": "in seconds, where its sender gave one",
    },
    "kafka": {
        "topic": "the topic",
        "partition": "the partition, from 0",
        "offset": "the record's offset in it",
    },
    "http": {
        "status": "of the reply, such as 200",
        "change": "with `emit: items` `added`, `changed` or `removed`, with `delta` `snapshot` or `patch`; else none",
    },
    "sse": {
        "id": "as the upstream gave it; without one there is none",
        "event": "the event's name there, `message` where it has none",
    },
}
KEYS: Final[Mapping[str, str]] = {
    "push": "what the sender says (`Key: …` or `?key=…`, or a CloudEvent's `partitionkey`)",
    "mqtt": "the topic",
    "kafka": "the record's key",
    "http": "with `emit: items` what the item is known by: see `key` there",
}


def names() -> str:
    """Return the table of the names that each kind's records have."""
    rows = []
    for kind, facts in FACTS.items():
        told = "; ".join(f"`{name}`: {what}" for name, what in facts.items())
        rows.append(f"| `{kind}` | {told} | {KEYS.get(kind, '')} |\n")
    return _NAMES + "".join(rows)


_NAMES: Final = """\
## names

What a route's `event`, `key` and `bind` may call a source's records by: the names in its template (`match`, `subject`,
`topics`, `url`), those of its `capture`, and those that the kind adds to every record. `key` alone is the record's own
key.

| kind | names | `key` |
|---|---|---|
"""
