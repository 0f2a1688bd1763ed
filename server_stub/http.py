"""The HTTP side of the relay: who may come in, and what everybody else is answered. No I/O.

The rows of the handshake table are checked from the top, and the first that fails is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from server_stub.auth import IdentityError, identify
from server_stub.records import User
from socket_bloc.frames import SUBPROTOCOL

__all__ = [
    "PATH",
    "Admission",
    "HttpError",
    "admit",
    "check_target",
    "plain_response",
    "refuse_unreadable",
    "unavailable",
]

PATH: Final = "/order"
PLAIN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
RETRY_AFTER: Final = 1
"""Seconds that one who got a 503 is asked to stay away."""
_SINCE: Final = re.compile(r"[0-9]{1,19}")
_MAX_PARAMETERS: Final = 32


@dataclass(frozen=True, slots=True)
class Admission:
    """One who may come in: the user, what they have of their feed, and the response that opens."""

    user: User
    since: int | None
    epoch: str | None
    response: Response


class HttpError(Exception):
    """A request that is answered with an error, and one line that says why."""

    def __init__(self, status: HTTPStatus, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers or {}

    @property
    def response(self) -> Response:
        """What to answer."""
        return plain_response(self.status, f"{self.reason}\n", headers=self.headers)


def unavailable(reason: str) -> HttpError:
    """A 503, which asks to come again."""
    return HttpError(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": str(RETRY_AFTER)})


def plain_response(
    status: HTTPStatus,
    body: str,
    *,
    content_type: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A whole answer, after which the connection is closed."""
    encoded = body.encode()
    fields = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(encoded)),
            "Content-Type": content_type,
        }
        | dict(headers or {})
    )
    return Response(status.value, status.phrase, fields, encoded)


def check_target(method: str, target: str) -> str:
    """The path of a request that there is an answer for. Raises `HttpError`: 404, then 405."""
    path = target.partition("?")[0]
    if path != PATH and path not in PLAIN_PATHS:
        raise HttpError(HTTPStatus.NOT_FOUND, f"there is nothing here; orders are at {PATH}")
    if method != "GET":
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here", {"Allow": "GET"})
    return path


def refuse_unreadable(head: bytes | bytearray) -> HttpError:
    """The answer to a request that could not be parsed, of which this much had come."""
    try:
        method, target, version = head.partition(b"\n")[0].rstrip(b"\r").decode("ascii").split(" ")
        check_target(method, target)
    except ValueError:
        return HttpError(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    except HttpError as error:
        return error
    if version != "HTTP/1.1" and version.startswith("HTTP/"):
        return HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is spoken here")
    return HttpError(HTTPStatus.BAD_REQUEST, "this is no HTTP request without a body")


def admit(
    request: Request,
    handshake: Callable[[Request], Response],
    *,
    closed: str | None,
    allowed_origins: frozenset[str],
) -> Admission:
    """Judge a WebSocket handshake for `PATH`. Raises `HttpError`.

    `handshake` is the protocol's own judgement; `closed` says why nobody comes in now, if so.
    """
    response = handshake(request)
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        reason = response.body.decode().partition("\n")[0]
        status = HTTPStatus(response.status_code)
        raise HttpError(status, reason, {"Upgrade": "websocket"} if status == 426 else None)
    if closed is not None:
        raise unavailable(closed)
    _check_origin(request, allowed_origins)
    query = _query(request)
    try:
        user = identify(query)
    except IdentityError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from None
    since = query.get("since")
    if since is not None and not _SINCE.fullmatch(since):
        raise HttpError(HTTPStatus.BAD_REQUEST, "since must have 1 to 19 ASCII digits")
    if "Sec-WebSocket-Protocol" in request.headers and "Sec-WebSocket-Protocol" not in response.headers:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"the subprotocol spoken here is {SUBPROTOCOL}")
    return Admission(user, None if since is None else int(since), query.get("epoch"), response)


def _check_origin(request: Request, allowed_origins: frozenset[str]) -> None:
    origin = request.headers.get("Origin")  # only one: the handshake has seen to it
    if origin is not None and origin not in allowed_origins:
        raise HttpError(HTTPStatus.FORBIDDEN, "this Origin is not allowed here")


def _query(request: Request) -> dict[str, str]:
    text = request.path.partition("?")[2]
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the query must be UTF-8") from None
    except ValueError:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the query has too many parameters") from None
    query = dict(pairs)
    if len(query) != len(pairs):
        raise HttpError(HTTPStatus.BAD_REQUEST, "the query names a parameter twice")
    if "token" in query:
        raise HttpError(HTTPStatus.BAD_REQUEST, "a token never stands in the query")
    return query
