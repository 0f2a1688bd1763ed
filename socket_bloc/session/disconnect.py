"""Why a connection was lost or never came about, and how often that is borne before giving up.

The table of close codes and HTTP statuses of the protocol, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from socket_bloc.frames import CloseCode

__all__ = ["Closed", "HttpRefused", "Loss", "Patience", "Unreachable", "Untrusted", "patience"]


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection was open, and has closed. Without a close frame `code` is 1006 (RFC 6455, 7.1.5)."""

    code: int
    reason: str = ""

    def __str__(self) -> str:
        return f"closed with {self.code}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class HttpRefused:
    """The handshake was answered with another HTTP status than 101. `retry_after` is in seconds."""

    status: int
    reason: str = ""
    retry_after: float = 0.0

    def __str__(self) -> str:
        return f"refused with HTTP {self.status}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nobody was there to answer, or the answer made no sense."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class Untrusted:
    """The TLS certificate is not valid."""

    reason: str

    def __str__(self) -> str:
        return f"the certificate is not valid: {self.reason}"


Loss = Closed | HttpRefused | Unreachable | Untrusted


class Patience(Enum):
    """What a loss leads to; the value is how many of its kind in a row are borne."""

    STAY_AWAY = -1
    """It was asked for: go offline, without a complaint."""
    NONE = 0
    """Trying again would bring the same answer."""
    ONCE = 1
    """A new token may help."""
    TWICE = 2
    """What we send may offend, or something on the way may have been broken."""
    ENDLESS = 1_000_000_000


_VIOLATIONS = (
    CloseCode.PROTOCOL_ERROR,
    CloseCode.UNSUPPORTED_DATA,
    CloseCode.INVALID_DATA,
    CloseCode.POLICY_VIOLATION,
    CloseCode.MESSAGE_TOO_BIG,
)


def patience(loss: Loss) -> Patience:
    """How often in a row, and without a commit between, this is borne."""
    match loss:
        case Untrusted():
            return Patience.NONE
        case Unreachable():
            return Patience.ENDLESS
        case HttpRefused(401):
            return Patience.ONCE
        case HttpRefused(status):
            # 3xx is not followed: it would carry the token to wherever it points.
            gives_up = 300 <= status < 500 and status not in (408, 429)
            return Patience.NONE if gives_up else Patience.ENDLESS
        case Closed(CloseCode.NORMAL):
            return Patience.STAY_AWAY
        case Closed(code):
            if code in _VIOLATIONS:
                return Patience.TWICE
            return Patience.NONE if 4500 <= code <= 4999 else Patience.ENDLESS
