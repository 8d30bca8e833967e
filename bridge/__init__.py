"""Turn files, timers and HTTP pushes into Server-Sent Events."""
