"""Plain HTTP: the paths that there are, and whole answers. No I/O.

Who may come in is for `admission` to say.
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
    "HttpError",
    "check_target",
    "plain_response",
    "refuse_malformed",
    "unavailable",
]

PATH: Final = "/order"
PLAIN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
RETRY_AFTER: Final = 1
"""Seconds that one who got a 503 is asked to stay away."""


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


def refuse_malformed(head: bytes | bytearray) -> HttpError:
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
