"""The class diagram's own spelling, for whoever ports Dart code: the one place where it is known."""

from __future__ import annotations

from typing import Any

from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.order_status import OrderStatus
from socket_bloc.states import SocketReceiveDataState

__all__ = ["DiagramNames", "SocketRecieveDataEvent", "SocketRecieveDataState"]

SocketRecieveDataEvent = SocketReceiveDataEvent
SocketRecieveDataState = SocketReceiveDataState


class DiagramNames:
    """Gives `receive_order_status` its second name, which may be called and overridden like the first."""

    def receive_order_status(self, order_status: OrderStatus) -> None:
        """Called for each status of the other party, after its state. Meant to be overridden."""

    recieve_order_status = receive_order_status

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let an override under either name be one under both."""
        super().__init_subclass__(**kwargs)
        names = ("receive_order_status", "recieve_order_status")
        for name, other in (names, names[::-1]):
            if name in vars(cls) and other not in vars(cls):
                setattr(cls, other, vars(cls)[name])
