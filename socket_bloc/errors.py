"""What `SocketBloc` raises. An invalid argument is a `ValueError` that names the field."""

from __future__ import annotations

from socket_bloc.order_status import RejectionCode

__all__ = [
    "ConnectionRefused",
    "InvalidOrderStatusError",
    "NoSocketError",
    "OrderRejected",
    "OutboxError",
    "OutboxFullError",
    "ProtocolError",
    "SocketBlocError",
]


class SocketBlocError(Exception):
    """The base class of failures that the caller did not cause."""


class OrderRejected(SocketBlocError):
    """The relay rejected the status, finally; nothing was changed."""

    def __init__(self, code: RejectionCode | str, reason: str, current_status: int | None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.current_status = current_status


class NoSocketError(SocketBlocError):
    """There is no socket: before the first connect event, or after a disconnect by either side."""

    def __init__(self, reason: str = "there is no socket to send through") -> None:
        super().__init__(f"{reason}; add a SocketConnectEvent first")


class ConnectionRefused(SocketBlocError):
    """The relay refused the connection; what was unsettled may or may not have been committed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OutboxError(SocketBlocError):
    """The outbox cannot be used, or cannot store a status, which then was not sent."""


class OutboxFullError(OutboxError):
    """The outbox has as many unsettled statuses as it may have. This one was not added, and not sent."""


class ProtocolError(SocketBlocError):
    """The relay violated the protocol; the frame was skipped. Reported to `on_error`, never raised."""


class InvalidOrderStatusError(ValueError):
    """A status that may not be sent; `field` names what to change."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
