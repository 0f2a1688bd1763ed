"""Aliases in the class diagram's spelling, for code that is ported from Dart; it occurs nowhere else."""

from __future__ import annotations

from typing import Any

from socket_bloc.events import SocketReceiveDataEvent
from socket_bloc.order_status import OrderStatus
from socket_bloc.states import SocketReceiveDataState

__all__ = ["DiagramNames", "SocketRecieveDataEvent", "SocketRecieveDataState"]

SocketRecieveDataEvent = SocketReceiveDataEvent
SocketRecieveDataState = SocketReceiveDataState


class DiagramNames:
    """Adds `recieve_order_status`, which can be called and overridden like `receive_order_status`."""

    def receive_order_status(self, order_status: OrderStatus) -> None:
        """Handle a status of the other party, after its state was emitted. Override this."""

    recieve_order_status = receive_order_status

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make an override of either name an override of both."""
        super().__init_subclass__(**kwargs)
        names = ("receive_order_status", "recieve_order_status")
        for name, other in (names, names[::-1]):
            if name in vars(cls) and other not in vars(cls):
                setattr(cls, other, vars(cls)[name])
