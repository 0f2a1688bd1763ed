"""The handshake table of docs/protocol.md. No I/O.

Its rows are checked from the top, and the first that fails decides the response.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from websockets.http11 import Request, Response

from server_stub.handshake.identity import IdentityError, identify
from server_stub.handshake.tokens import TokenError, TokenVerifier
from server_stub.records import User
from server_stub.wire.http import HttpError, unavailable
from socket_bloc.frames import SUBPROTOCOL

__all__ = ["Admission", "admit"]

_SINCE: Final = re.compile(r"[0-9]{1,19}")
_MAX_PARAMETERS: Final = 32


@dataclass(frozen=True, slots=True)
class Admission:
    """An accepted handshake: the user, what they have of their feed, and the 101 response.

    `expires` is the `exp` of their token, in seconds since 1970; None if no token was needed.
    """

    user: User
    since: int | None
    epoch: str | None
    expires: float | None
    response: Response


def admit(
    request: Request,
    handshake: Callable[[Request], Response],
    *,
    closed: str | None,
    allowed_origins: frozenset[str],
    tokens: TokenVerifier | None,
) -> Admission:
    """Check a WebSocket handshake for `PATH`. Raises `HttpError`.

    `handshake` is the check of the WebSocket protocol itself; `closed` is the reason if the relay accepts
    no connection now; without `tokens`, none is needed.
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
        raise HttpError(HTTPStatus.BAD_REQUEST, f"unsupported subprotocol; offer {SUBPROTOCOL}")
    expires = None if tokens is None else _authenticate(request, user, tokens)
    return Admission(user, None if since is None else int(since), query.get("epoch"), expires, response)


def _check_origin(request: Request, allowed_origins: frozenset[str]) -> None:
    origin = request.headers.get("Origin")  # at most one: `handshake` has checked it
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
        reason = "tokens are not accepted in the query string; use the Authorization header"
        raise HttpError(HTTPStatus.BAD_REQUEST, reason)
    return query


def _authenticate(request: Request, user: User, tokens: TokenVerifier) -> float:
    """Return when the token of `user` expires."""
    try:
        token = tokens.verify(request.headers.get_all("Authorization"))
    except TokenError as error:
        raise HttpError(HTTPStatus.UNAUTHORIZED, str(error), {"WWW-Authenticate": "Bearer"}) from None
    if token.sub != user.user_id:
        raise HttpError(HTTPStatus.FORBIDDEN, "the token is of another user; its sub must be the userId")
    if token.type != user.role:
        raise HttpError(
            HTTPStatus.FORBIDDEN, "the token is for another role; its type must be that of the query"
        )
    return token.exp
