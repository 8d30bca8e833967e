"""What a page can pick from: a route's channels as JSON.

    list: /api/channels                                        {"channels": [{"path": …, "captures": {…}}, …]}
    list: { path: /api/files, as: files, name: "{file}.log" }  {"files": ["app.log", …]}

On a route of files it is the files that exist, empty ones too; elsewhere the channels that hold something. Entries are
sorted and told once. Past the bound the list is cut and says so: `"truncated": true`.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from urllib.parse import quote, quote_plus

from bridge.gateway.endpoint import Captures, Endpoint, Listing


def document(endpoint: Endpoint, listing: Listing, *, base: str, limit: int) -> dict[str, object]:
    """Return the answer; `base` goes before each path, so that a page can open it as it is."""
    seen = _captures(endpoint)
    entries: Sequence[object]
    if listing.name is not None:
        entries = sorted({listing.name.fill(captures) for captures in seen})
    else:
        addresses = {base + address(endpoint, captures): captures for captures in seen}
        entries = [{"path": path, "captures": captures} for path, captures in sorted(addresses.items(), key=_path)]
    answer: dict[str, object] = {listing.key: entries[:limit]}
    if len(entries) > limit:
        answer["truncated"] = True
    return answer


def address(endpoint: Endpoint, captures: Captures) -> str:
    """Return the path and query of one channel, encoded."""
    path = endpoint.path.fill({name: quote(value) for name, value in captures.items()})
    asked = {name: quote_plus(value) for name, value in captures.items()}
    query = "&".join(f"{quote_plus(name)}={template.fill(asked)}" for name, template in endpoint.query.items())
    return f"{path}?{query}" if query else path


def addresses(endpoint: Endpoint, limit: int) -> list[str]:
    """Return the addresses of some channels, `limit` at most, for a person to pick from."""
    return sorted({address(endpoint, captures) for captures in islice(_captures(endpoint), limit)})


def _captures(endpoint: Endpoint) -> Iterable[dict[str, str]]:
    """Yield the route's names of all that there is; what lacks one of them is no channel of this route."""
    names = endpoint.names
    entries = endpoint.entries()
    for captures in endpoint.channels() if entries is None else entries:
        if all(name in captures for name in names):
            yield {name: captures[name] for name in names}


def _path(item: tuple[str, Mapping[str, str]]) -> str:
    return item[0]
