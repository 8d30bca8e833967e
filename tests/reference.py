"""An event-stream parser to compare with: the standard's words, one after another, over the whole text at once.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

It shares no code with the bridge, has no limits and no cleverness, and is slow.
"""

from dataclasses import dataclass, field


@dataclass
class Stream:
    """What a browser knows after it has read a stream to its end."""

    #: (event, data, last event id), as dispatched.
    events: list[tuple[str, str, str]] = field(default_factory=list)
    last_event_id: str = ""
    #: Milliseconds; None where the stream does not say.
    retry: int | None = None


def parse(stream: bytes) -> Stream:
    """Interpret a whole stream."""
    text = stream.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # What follows the last line end is no line: the stream was cut in it.
    lines = text.split("\n")[:-1]
    found = Stream()
    data = event_type = last_event_id = ""
    for line in lines:
        if line == "":
            found.last_event_id = last_event_id
            if data != "":
                found.events.append((event_type or "message", data.removesuffix("\n"), last_event_id))
            data = event_type = ""
        elif line.startswith(":"):
            continue
        elif ":" in line:
            at = line.index(":")
            name, value = line[:at], line[at + 1 :].removeprefix(" ")
            data, event_type, last_event_id = _field(found, name, value, (data, event_type, last_event_id))
        else:
            data, event_type, last_event_id = _field(found, line, "", (data, event_type, last_event_id))
    return found


def _field(found: Stream, name: str, value: str, buffers: tuple[str, str, str]) -> tuple[str, str, str]:
    data, event_type, last_event_id = buffers
    if name == "event":
        event_type = value
    elif name == "data":
        data = data + value + "\n"
    elif name == "id":
        if "\0" not in value:
            last_event_id = value
    elif name == "retry" and value != "" and all(digit in "0123456789" for digit in value):
        found.retry = int(value, base=10)
    return data, event_type, last_event_id
