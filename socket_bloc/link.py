"""One WebSocket to the relay: its URI, how it is opened, and what its exceptions mean.

What a disconnect leads to is decided in `session`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from socket_bloc.frames import SUBPROTOCOL, CloseCode
from socket_bloc.session.disconnect import Closed, Disconnect, HttpRefused, Unreachable
from socket_bloc.tls import classify_tls

__all__ = ["check_uri", "check_uris", "classify", "open_channel"]

OPEN_TIMEOUT: Final = 10.0
PING_INTERVAL: Final = 20.0
PING_TIMEOUT: Final = 15.0
CLOSE_TIMEOUT: Final = 0.5
MAX_RETRY_AFTER: Final = 3600.0
"""An hour, in seconds: a relay that asks for more is tried again all the same."""


# At DEBUG, websockets logs the text of each frame and the Authorization header. The level saves the work,
# and the filter holds even if somebody lowers the level, as for every logger at once.
_logger = logging.getLogger("socket_bloc.websocket")
_logger.setLevel(logging.INFO)
_logger.addFilter(lambda record: record.levelno > logging.DEBUG)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Do not follow redirects: the token would go wherever they point."""
        return exc


def check_uri(uri: str) -> str:
    """Validate a relay URI and return it. Raises `ValueError` if it is invalid."""
    problem = _problem_of(uri)
    if problem is not None:  # the URI is not quoted: it may contain a password
        raise ValueError(f"uri: {problem}")
    return uri


def check_uris(uri: str | Sequence[str]) -> tuple[str, ...]:
    """Validate one relay URI or several, and return them. Raises `ValueError` that says which is invalid."""
    if isinstance(uri, str):
        return (check_uri(uri),)
    uris = tuple(uri)
    if not uris:
        raise ValueError("uri: the list is empty; it must have at least one address")
    places: dict[object, int] = {}
    for number, address in enumerate(uris, 1):
        problem = _problem_of(address)
        if problem is None:
            parsed = parse_uri(address)
            place = places.setdefault((parsed.secure, parsed.host, parsed.port, parsed.path), number)
            problem = None if place == number else f"it is the same as address {place}; remove one of them"
        if problem is not None:
            raise ValueError(f"uri: address {number} of {len(uris)}{_quoted(address)}: {problem}")
    return uris


def _problem_of(uri: object) -> str | None:
    try:
        parsed = parse_uri(uri) if isinstance(uri, str) else None
    except (InvalidURI, ValueError):
        parsed = None
    if parsed is None or not isinstance(uri, str):
        return "it must be like ws://host:port/order or wss://host/order"
    if "?" in uri or parsed.username is not None or any(character.isspace() for character in uri):
        return "it must not contain a query, a user name or spaces"
    return None


def _quoted(uri: object) -> str:
    may_contain_secret = not isinstance(uri, str) or "@" in uri or "?" in uri
    return "" if may_contain_secret else f" ({uri!r})"


async def open_channel(
    uri: str, query: dict[str, str], token: str | None, context: ssl.SSLContext | None = None
) -> ClientConnection:
    """Open a connection; to `wss://` with the default context unless one is given.

    `classify` its exceptions.
    """
    parsed = parse_uri(uri)
    return await _Connect(
        f"{uri}?{urlencode(query)}",
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        additional_headers={"Authorization": f"Bearer {token}"} if token else None,
        compression=None,
        ssl=context or (True if parsed.secure else None),
        proxy=None if _is_loopback(parsed.host) else True,
        open_timeout=OPEN_TIMEOUT,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        close_timeout=CLOSE_TIMEOUT,
        logger=_logger,
    )


def classify(error: Exception, token: str | None = None) -> Disconnect:
    """Return what an exception from opening or reading means. No reason in it repeats the token."""

    def shown(text: str) -> str:
        return _printable(text.replace(token, "[token]") if token else text)

    match error:
        case ConnectionClosed():
            if error.rcvd is None:
                return Closed(CloseCode.ABNORMAL_CLOSURE, "no close frame received")
            return Closed(error.rcvd.code, shown(error.rcvd.reason))
        case InvalidStatus(response=response):
            return HttpRefused(response.status_code, shown(_first_line(response)), _retry_after(response))
        case ssl.SSLError():
            return classify_tls(error)
        case TimeoutError():
            return Unreachable(f"no answer within {OPEN_TIMEOUT:.0f} s")
        case InvalidProxy():  # its text has the URL of the proxy, which may contain a password
            return Unreachable("the proxy in the environment is invalid; check HTTP_PROXY and HTTPS_PROXY")
        case _:
            return Unreachable(shown(str(error)) or type(error).__name__)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:200]).strip()


def _first_line(response: Response) -> str:
    lines = bytes(response.body or b"").decode(errors="replace").splitlines()
    return lines[0] if lines else response.reason_phrase


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
