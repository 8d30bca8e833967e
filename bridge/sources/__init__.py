"""Where messages come from: one file, or one folder, a kind; one line a kind here."""

from collections.abc import Mapping
from typing import Final

from bridge.sources.base import Source
from bridge.sources.file import File
from bridge.sources.http import Http
from bridge.sources.kafka import Kafka
from bridge.sources.mqtt import Mqtt
from bridge.sources.push import Push
from bridge.sources.sse import Sse
from bridge.sources.timer import Timer

#: `kind:` in the YAML, and the class it names. The reference shows them in this order.
KINDS: Final[Mapping[str, type[Source]]] = {
    "file": File,
    "timer": Timer,
    "push": Push,
    "mqtt": Mqtt,
    "kafka": Kafka,
    "http": Http,
    "sse": Sse,
}
