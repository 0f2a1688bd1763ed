"""Why a connection ended or could not be opened, and how often that is retried.

The tables of close codes and HTTP statuses of the protocol, and nothing else: counting is done in
`retry`, and what a disconnect leads to is decided in `session`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import assert_never

from socket_bloc.frames import CloseCode

__all__ = [
    "Closed",
    "Disconnect",
    "HttpRefused",
    "InvalidCertificate",
    "NoToken",
    "NotTls",
    "RetryPolicy",
    "Unreachable",
    "is_about_the_address",
    "retry_policy",
]


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection was open and has closed. Without a close frame, `code` is 1006 (RFC 6455, 7.1.5)."""

    code: int
    reason: str = ""

    @property
    def has_close_frame(self) -> bool:
        """Whether the relay closed the connection, so that it is at work."""
        return self.code != CloseCode.ABNORMAL_CLOSURE

    def __str__(self) -> str:
        return f"closed with {self.code}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class HttpRefused:
    """The handshake was answered with an HTTP status other than 101. `retry_after` is in seconds."""

    status: int
    reason: str = ""
    retry_after: float = 0.0

    def __str__(self) -> str:
        return f"refused with HTTP {self.status}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer to the handshake, or one that is not HTTP."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class InvalidCertificate:
    """The TLS certificate could not be verified."""

    reason: str

    def __str__(self) -> str:
        return f"invalid certificate: {self.reason}"


@dataclass(frozen=True, slots=True)
class NoToken:
    """There was no token to connect with, so the relay was not asked."""

    reason: str

    def __str__(self) -> str:
        return f"could not get the token: {self.reason}"


@dataclass(frozen=True, slots=True)
class NotTls:
    """The URI begins with `wss://`, and the answer was not TLS."""

    def __str__(self) -> str:
        return "the relay does not speak TLS at this address; give it a certificate, or use a ws:// URI"


Disconnect = Closed | HttpRefused | Unreachable | InvalidCertificate | NoToken | NotTls


class RetryPolicy(Enum):
    """How many disconnects of its kind in a row are retried."""

    NEVER = 0
    """Another attempt would get the same answer."""
    ONCE = 1
    """A new token may help."""
    TWICE = 2
    """The relay may reject what this client sends, or something on the way may have garbled it."""
    ALWAYS = inf


_VIOLATIONS = (
    CloseCode.PROTOCOL_ERROR,
    CloseCode.UNSUPPORTED_DATA,
    CloseCode.INVALID_DATA,
    CloseCode.POLICY_VIOLATION,
    CloseCode.MESSAGE_TOO_BIG,
)


def retry_policy(disconnect: Disconnect) -> RetryPolicy:
    """Return how often in a row, without a commit in between, a disconnect is retried.

    A close with 1000 is not retried either, but is no failure: `Session.lost` handles it first.
    """
    match disconnect:
        case InvalidCertificate() | NotTls():
            return RetryPolicy.NEVER
        case Unreachable() | NoToken():
            return RetryPolicy.ALWAYS
        case HttpRefused(401):
            return RetryPolicy.ONCE
        case HttpRefused(status):
            # 3xx is not followed: the token would go wherever the redirect points.
            is_final = 300 <= status < 500 and status not in (408, 429)
            return RetryPolicy.NEVER if is_final else RetryPolicy.ALWAYS
        case Closed(code) if code in _VIOLATIONS:
            return RetryPolicy.TWICE
        case Closed(code):
            return RetryPolicy.NEVER if 4500 <= code <= 4999 else RetryPolicy.ALWAYS
        case _:
            assert_never(disconnect)


def is_about_the_address(disconnect: Disconnect) -> bool:
    """Return whether a refusal says nothing about this user, so that another address may answer otherwise.

    So do a redirect, a path that is not found, a certificate that is not trusted, and no TLS at all. An
    invalid request or token, and a user who is not let in, are the same at each address.
    """
    match disconnect:
        case InvalidCertificate() | NotTls():
            return True
        case HttpRefused(status):
            return status not in (400, 401, 403) and retry_policy(disconnect) is RetryPolicy.NEVER
        case _:
            return False
