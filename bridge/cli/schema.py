"""`sse-bridge schema`: the JSON Schema of the configuration, for editors."""

import json
import sys
from typing import Final

from bridge.config.schema import schema

OK: Final = 0


def run() -> int:
    """Print the schema; return the exit code."""
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
    return OK
