"""What a page can pick from: a route's channels as JSON.

    list: /api/channels                                        {"channels": [{"path": …, "captures": {…}}, …]}
    list: { path: /api/files, as: files, name: "{file}.log" }  {"files": ["app.log", …]}

On a route of files it is the files that exist, empty ones too; elsewhere the channels that hold something. Entries are
sorted and told once. Past the bound the list is cut and says so: `"truncated": true`. What no address reaches is left
out: a name that stands for one segment of the path cannot hold a slash.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from urllib.parse import quote, quote_plus

from bridge.gateway.endpoint import Captures, Endpoint, Listing
from bridge.gateway.path import PathError, decode, trimmed
from bridge.template import Template


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
    """Yield the route's names of all that there is; what lacks one, or has no address, is no channel of this route."""
    names, path = endpoint.names, Template.parse(trimmed(endpoint.path.text))
    entries = endpoint.entries()
    for captures in endpoint.channels() if entries is None else entries:
        if all(name in captures for name in names) and _is_reached(path, endpoint.query, captures):
            yield {name: captures[name] for name in names}


def _is_reached(path: Template, query: Mapping[str, Template], captures: Captures) -> bool:
    """Tell whether the address that these captures make leads back to them."""
    try:
        # As it is matched when it arrives. `quote` leaves slashes as they are, so that a rest keeps its own.
        found = path.match(trimmed(decode(path.fill(captures).replace("%", "%25"))))
    except PathError:
        return False
    for template in query.values():
        asked = template.match(template.fill(captures))
        found = None if found is None or asked is None else found | asked
    return found is not None and all(captures[name] == value for name, value in found.items())


def _path(item: tuple[str, Mapping[str, str]]) -> str:
    return item[0]
