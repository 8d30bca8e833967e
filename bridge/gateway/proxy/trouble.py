"""What goes wrong on the way to the application: a status, a sentence for the client, and the detail for the log.

The sentence names the application by its role; addresses of the inside stay in the log.
"""

import asyncio
import re
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import BridgeError, SourceError

#: Seconds after which whoever was sent away may ask again.
RETRY_AFTER: Final = 1


#: From where aiohttp's parser quotes what it stumbled over: a cookie, for one.
_QUOTED: Final = re.compile(r"""\s*\bb['"].*""", re.DOTALL)


class ProxyError(BridgeError):
    """A request cannot be passed on, or its answer not back."""

    def __init__(self, status: int, words: str, detail: str = "") -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        #: For the log alone.
        self.detail = detail


class ClientError(ProxyError):
    """The client is at fault: nothing of it is logged."""


#: What aiohttp's connector and its connections raise, beside `ProxyError`.
ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, asyncio.TimeoutError, SourceError)


def unreachable(error: BaseException, name: str) -> ProxyError:
    """Explain why no connection came about."""
    detail = f"{type(error).__name__}: {error}"
    match error:
        case TimeoutError():
            return ProxyError(504, f"{name} does not take the connection in time", detail)
        case aiohttp.ClientConnectorDNSError():
            return ProxyError(502, f"the host of {name} cannot be found", detail)
        case aiohttp.ClientSSLError() | SourceError():
            return ProxyError(502, f"the connection to {name} is not secure", detail)
    return ProxyError(502, f"{name} does not take connections", detail)


def failed(error: BaseException, name: str) -> ProxyError:
    """Explain why no answer came, or only a part of one."""
    detail = f"{type(error).__name__}: {_QUOTED.sub('', str(error)).strip()}"
    match error:
        case ProxyError():
            return error
        case TimeoutError():
            return ProxyError(504, f"{name} does not answer in time", detail)
        case HttpProcessingError():
            return ProxyError(502, f"what {name} answered is no HTTP", detail)
    return ProxyError(502, f"{name} closed the connection without an answer", detail)
