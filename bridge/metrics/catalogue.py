"""Every metric that there is, by what it is of: the collector reads by it, the reference is written of it."""

from typing import Any, Final

from bridge.metrics.metric import Section
from bridge.metrics.process import LISTENERS, PROCESS
from bridge.metrics.routes import ROUTES
from bridge.metrics.sources import SOURCES

SECTIONS: Final[tuple[Section[Any], ...]] = (ROUTES, SOURCES, PROCESS, LISTENERS)

#: What prometheus-client tells of the process, where the system has /proc.
FOREIGN: Final = {
    "process_cpu_seconds_total": "User and system CPU time. One process uses one core at most.",
    "process_open_fds": "Open file descriptors; each stream takes one.",
    "process_max_fds": "How many there may be.",
    "process_resident_memory_bytes": "Memory in use, histories and buffers included.",
    "process_virtual_memory_bytes": "Address space; of no use for sizing.",
    "process_start_time_seconds": "Unix time of the start.",
}
