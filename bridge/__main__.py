"""`python -m bridge` is `sse-bridge`."""

from bridge.cli import main

main()
