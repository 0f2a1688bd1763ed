"""One WebSocket to the relay: its URI, its token, how it is opened, and what its exceptions mean.

What a disconnect leads to is decided in `session`.
"""

from __future__ import annotations

import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from socket_bloc.frames import SUBPROTOCOL, CloseCode
from socket_bloc.session.disconnect import Closed, Disconnect, HttpRefused, InvalidCertificate, Unreachable

__all__ = ["Token", "ask_token", "check_uri", "classify", "open_channel"]

Token = str | Callable[[], str | Awaitable[str]] | None
"""The bearer token, or a function (possibly async) that returns it, called for each attempt."""

OPEN_TIMEOUT: Final = 10.0
PING_INTERVAL: Final = 20.0
PING_TIMEOUT: Final = 15.0
CLOSE_TIMEOUT: Final = 0.5
MAX_RETRY_AFTER: Final = 365 * 86_400.0
"""A year, in seconds. With more, the moment of the next attempt could be beyond what `datetime` can hold."""

# At DEBUG, websockets logs the text of each frame and the Authorization header.
_logger = logging.getLogger("socket_bloc.websocket")
_logger.setLevel(logging.INFO)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Do not follow redirects: the token would go wherever they point."""
        return exc


def check_uri(uri: str) -> str:
    """Validate a relay URI and return it. Raises `ValueError` if it is invalid."""
    try:
        parsed = parse_uri(uri)
    except (InvalidURI, ValueError):  # the URI is not quoted: it may contain a password
        raise ValueError("uri: it must be like ws://host:port/order or wss://host/order") from None
    if "?" in uri or parsed.username is not None or any(character.isspace() for character in uri):
        raise ValueError("uri: it must not contain a query, a user name or spaces")
    return uri


async def ask_token(token: Token) -> str | None:
    """Return the token for this attempt. Raises what the function raises; `ValueError` if it is invalid."""
    value = token() if callable(token) else token
    if inspect.isawaitable(value):
        value = await value
    is_text = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    if value is not None and not is_text:
        raise ValueError("token: it must be printable ASCII text without spaces")
    return value


async def open_channel(uri: str, query: dict[str, str], token: str | None) -> ClientConnection:
    """Open a connection. `classify` its exceptions."""
    return await _Connect(
        f"{uri}?{urlencode(query)}",
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        additional_headers={"Authorization": f"Bearer {token}"} if token else None,
        compression=None,
        proxy=None if _is_loopback(parse_uri(uri).host) else True,
        open_timeout=OPEN_TIMEOUT,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        close_timeout=CLOSE_TIMEOUT,
        logger=_logger,
    )


def classify(error: Exception) -> Disconnect:
    """Return what an exception from opening or reading means."""
    match error:
        case ConnectionClosed():
            if error.rcvd is None:
                return Closed(CloseCode.ABNORMAL_CLOSURE, "no close frame received")
            return Closed(error.rcvd.code, _printable(error.rcvd.reason))
        case InvalidStatus(response=response):
            return HttpRefused(response.status_code, _first_line(response), _retry_after(response))
        case ssl.SSLCertVerificationError():
            return InvalidCertificate(error.verify_message)
        case TimeoutError():
            return Unreachable(f"no answer within {OPEN_TIMEOUT:.0f} s")
        case _:
            return Unreachable(_printable(str(error)) or type(error).__name__)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:200]).strip()


def _first_line(response: Response) -> str:
    lines = bytes(response.body or b"").decode(errors="replace").splitlines()
    return _printable(lines[0]) if lines else response.reason_phrase


def _retry_after(response: Response) -> float:
    """Parse either form of the header (RFC 9110, 10.2.3) into seconds; 0 if it is missing or invalid."""
    value = response.headers.get("Retry-After", "")
    try:
        if value.isascii() and value.isdecimal():
            seconds = float(value)
        else:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(0.0, seconds), MAX_RETRY_AFTER)
