"""What `SocketBloc` raises to its callers. A wrong argument is a `ValueError` that names the field."""

from __future__ import annotations

from socket_bloc.order_status import RejectionCode

__all__ = [
    "ConnectionRefused",
    "InvalidOrderStatusError",
    "NoSocketError",
    "OrderRejected",
    "ProtocolError",
    "SocketBlocError",
]


class SocketBlocError(Exception):
    """The base of what goes wrong beyond the caller's reach."""


class OrderRejected(SocketBlocError):
    """The relay refused the status, for good; nothing was changed."""

    def __init__(self, code: RejectionCode | str, reason: str, current_status: int | None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.current_status = current_status


class NoSocketError(SocketBlocError):
    """There is no socket: no connect event came before, or a disconnect has come since."""

    def __init__(self) -> None:
        super().__init__("there is no socket to send through; add a SocketConnectEvent first")


class ConnectionRefused(SocketBlocError):
    """The relay will not have this user; what was not settled may or may not have been committed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProtocolError(SocketBlocError):
    """The relay said what makes no sense, and it was skipped. Reported through `on_error`, never raised."""


class InvalidOrderStatusError(ValueError):
    """A status that may not be sent; `field` is what to change."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
