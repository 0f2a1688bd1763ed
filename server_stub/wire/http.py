"""Plain HTTP: the paths of the relay, and complete responses. No I/O.

For who may open a WebSocket, see `handshake.admission`.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Response

__all__ = [
    "PATH",
    "TLS_RECORD",
    "HttpError",
    "check_target",
    "plain_response",
    "refuse_malformed",
    "unavailable",
]

TLS_RECORD: Final = 0x16
"""The first byte of a TLS client; no HTTP request begins with it."""
PATH: Final = "/order"
PLAIN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
RETRY_AFTER: Final = 1
"""Seconds after which a client that got a 503 should try again."""


class HttpError(Exception):
    """An error response, with one line that gives the reason."""

    def __init__(self, status: HTTPStatus, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers or {}

    @property
    def response(self) -> Response:
        """The response to send."""
        return plain_response(self.status, f"{self.reason}\n", headers=self.headers)


def unavailable(reason: str) -> HttpError:
    """Return a 503 with a `Retry-After`."""
    return HttpError(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": str(RETRY_AFTER)})


def plain_response(
    status: HTTPStatus,
    body: str,
    *,
    content_type: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a complete response; the connection is closed after it."""
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
    """Return the path of a request. Raises `HttpError`: 404 for an unknown path, then 405."""
    path = target.partition("?")[0]
    if path != PATH and path not in PLAIN_PATHS:
        raise HttpError(HTTPStatus.NOT_FOUND, f"not found; the WebSocket endpoint is {PATH}")
    if method != "GET":
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed; use GET", {"Allow": "GET"})
    return path


def refuse_malformed(head: bytes | bytearray) -> HttpError:
    """Return the error for a request that could not be parsed; `head` is what has arrived of it."""
    try:
        method, target, version = head.partition(b"\n")[0].rstrip(b"\r").decode("ascii").split(" ")
        check_target(method, target)
    except ValueError:
        return HttpError(HTTPStatus.BAD_REQUEST, "malformed HTTP request")
    except HttpError as error:
        return error
    if version != "HTTP/1.1" and version.startswith("HTTP/"):
        return HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "unsupported HTTP version; use HTTP/1.1")
    return HttpError(HTTPStatus.BAD_REQUEST, "malformed HTTP request, or one with a body")
