"""The state of the connection: connected, reconnecting, offline or refused; and what is queued."""

from __future__ import annotations

from typing import ClassVar, assert_never

from textual.content import Content
from textual.timer import Timer

from socket_bloc import (
    Order,
    Orders,
    OrdersCubit,
    SocketBloc,
    SocketConnectState,
    SocketDisconnectState,
    SocketReconnectingState,
    SocketRefusedState,
    SocketState,
)
from tui.binding import BlocNode
from tui.widgets.line import Line
from tui.widgets.text import Clock, one_line, utc_now

__all__ = ["ConnectionBadge"]


class ConnectionBadge(BlocNode, Line):
    """One or two lines about a bloc's connection. Its mark and text do not depend on the colour."""

    DEFAULT_CSS: ClassVar[str] = """
    ConnectionBadge {
        width: auto;
        max-width: 70%;
        height: auto;
        max-height: 3;
        &.-connected { color: $text-success; }
        &.-reconnecting { color: $text-warning; }
        &.-offline { color: $text-muted; }
        &.-refused { color: $text-error; }
    }
    """

    _ticking: Timer

    def __init__(
        self, bloc: SocketBloc, orders: OrdersCubit, *, clock: Clock = utc_now, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._bloc = bloc
        self._orders = orders
        self._clock = clock
        self._connection = _connection_of(bloc)
        self._counted = Orders()
        self._queued = 0

    def on_mount(self) -> None:
        # The view counts down by itself: the bloc emits the time of the next attempt once.
        self._ticking = self.set_interval(1, self._refresh_text, pause=True)
        self.listen_to(self._bloc, self._on_state)
        self.build_from(self._orders, self._on_orders)

    def _on_state(self, state: SocketState) -> None:
        if isinstance(state, SocketConnectState | SocketDisconnectState):
            self._connection = state
            self._refresh_text()

    def _on_orders(self, orders: Orders) -> None:
        for order_id in orders.changed_ids(self._counted):
            self._queued += _queued(orders.get(order_id)) - _queued(self._counted.get(order_id))
        self._counted = orders
        self._refresh_text()

    def _refresh_text(self) -> None:
        kind, text = self._describe()
        for name in ("connected", "reconnecting", "offline", "refused"):
            self.set_class(name == kind, f"-{name}")
        queued = f" · {self._queued} queued" if self._queued else ""
        self.show(Content(text + queued))
        if kind == "reconnecting":
            self._ticking.resume()
        else:
            self._ticking.pause()

    def _describe(self) -> tuple[str, str]:
        match self._connection:
            case SocketConnectState():
                return "connected", "● connected"
            case SocketReconnectingState(attempt, next_attempt_at):
                seconds = (next_attempt_at - self._clock()).total_seconds()
                when = f" in {seconds:.0f} s" if seconds >= 0.5 else ""
                return "reconnecting", f"◐ reconnecting{when} (attempt {attempt})"
            case SocketRefusedState(reason):
                return "refused", f"✗ refused: {one_line(reason).removeprefix('refused with ')}"
            case SocketDisconnectState():
                return "offline", "○ offline"
            case _:
                assert_never(self._connection)


def _queued(order: Order) -> int:
    return len(order.pending) - len(order.in_flight)


def _connection_of(bloc: SocketBloc) -> SocketConnectState | SocketDisconnectState:
    """Return the state of the connection before the first state has been emitted."""
    if isinstance(bloc.state, SocketConnectState | SocketDisconnectState):
        return bloc.state
    return SocketConnectState(resumed=True, epoch="") if bloc.is_connected else SocketDisconnectState()
