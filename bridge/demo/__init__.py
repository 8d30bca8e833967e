"""What the demo shows: a growing log, devices, a clock and pushed notices, made on the spot.

`routes.yaml` is its configuration, as a user would write it; `writer` is the application whose logs grow; `notices` is
another program, which pushes; `devices` are machines, which speak MQTT to a `broker`. The broker is an extra of the
package, `demo`; without it the devices are left out. `console` shows it all on the public port, in a container.
"""

from pathlib import Path
from typing import Final

ROUTES: Final = Path(__file__).with_name("routes.yaml")
