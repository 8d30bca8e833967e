"""What the demo shows: a growing log, a clock and pushed notices, made on the spot.

`routes.yaml` is its configuration, as a user would write it; `writer` is the application whose logs grow; `notices`
is another program, which pushes.
"""

from pathlib import Path
from typing import Final

ROUTES: Final = Path(__file__).with_name("routes.yaml")
