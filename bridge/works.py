"""The parts that follow the configuration: sources, routes, applications, and what answers on the listeners.

What lives as long as the process is `Core`. A reload makes the parts anew as far as they differ (`change`), and `Front`
is swapped as a whole: each request is answered by one configuration or the other.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge import assemble, behind
from bridge.behind import Behind
from bridge.bus import Bus
from bridge.config.model import Config
from bridge.former import Formers
from bridge.gateway.admin import Admin
from bridge.gateway.endpoint import Endpoint
from bridge.gateway.ingest import Door, Ingest
from bridge.gateway.public import Public
from bridge.gateway.pump import Pump
from bridge.gateway.stream import Streams
from bridge.intake import Intake
from bridge.runs import Runs
from bridge.sources.push import Push
from bridge.supervisor import Health


class Core(NamedTuple):
    """What lives as long as the process."""

    bus: Bus
    health: Health
    pump: Pump
    streams: Streams


class Front(NamedTuple):
    """What answers on the public and on the admin listener."""

    public: Public
    admin: Admin


class Works:
    """The parts of the configuration that holds now."""

    #: What answers; made by `renew`, once all is there that it is made of.
    front: Front

    def __init__(self, config: Config, core: Core, front: Callable[["Works"], Front]) -> None:
        """`front` makes what answers, of the parts as they are."""
        self.config = config
        self.core = core
        self.intakes: dict[str, Intake] = assemble.intakes(config, core.bus, core.health, core.streams.of_source)
        #: By the path as the file has it.
        self.routes: dict[str, Endpoint] = assemble.endpoints(config, core.bus, self.intakes)
        self.formers = Formers(core.bus)
        self.ingest = Ingest(doors(self.intakes), is_draining=lambda: core.streams.is_draining)
        self.runs = Runs(core.health)
        self.behind = Behind(behind.made(config.server))
        self._made = front

    @property
    def endpoints(self) -> list[Endpoint]:
        """Return the routes, in the file's order."""
        return list(self.routes.values())

    def renew(self) -> None:
        """Let the parts as they are now answer from here on."""
        self.front = self._made(self)


def doors(intakes: Mapping[str, Intake]) -> dict[str, Door]:
    """Return what takes the requests of each source that is pushed to."""
    return {
        name: intake.spec.source.door(intake.inlet)
        for name, intake in intakes.items()
        if isinstance(intake.spec.source, Push)
    }
