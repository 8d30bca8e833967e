"""Connections that may be silent for as long as both sides like: TCP asks in their place whether the peer is there.

A machine that loses its power says no word, and the system's own pace is two hours until the first question.
"""

import asyncio
import contextlib
import socket
from typing import Final

#: Seconds of silence before TCP asks the peer whether it is there, between two questions, and how many of them. A peer
#: that has gone is let go within two minutes.
IDLE: Final = 60
INTERVAL: Final = 15
QUESTIONS: Final = 4


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Have TCP ask whether the peer is there, where silence is no fault."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, QUESTIONS)
