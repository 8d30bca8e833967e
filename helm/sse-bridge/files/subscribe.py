"""Open a stream as a page does, and see that it begins as an event stream must. Argument: its address."""

import sys
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlsplit

#: Seconds for the first block, which comes at once where all is well.
PATIENCE: Final = 20

#: The first block is `retry`, an `id`, and what was lost.
MAX_LINES: Final = 20


def main() -> str | None:
    """Return what is wrong, or None."""
    url = urlsplit(sys.argv[1])
    path = f"{url.path}?{url.query}" if url.query else url.path
    connection = HTTPConnection(url.netloc, timeout=PATIENCE)
    connection.request("GET", path, headers={"Accept": "text/event-stream"})
    response = connection.getresponse()
    kind = response.headers.get_content_type()
    if response.status != 200 or kind != "text/event-stream":  # noqa: PLR2004
        return f"{url.geturl()}: {response.status}, {kind}, instead of a stream"
    for _ in range(MAX_LINES):
        if response.readline(1024).startswith(b"retry:"):
            sys.stdout.write(f"{url.geturl()}: a stream\n")
            return None
    return f"{url.geturl()}: a stream that does not begin with `retry`"


if __name__ == "__main__":
    sys.exit(main())
