"""The outcome of the user's last action: sent, queued, committed, or rejected with the relay's reason.

What an earlier process left in the outbox is one of the user's actions, too.
"""

from __future__ import annotations

from typing import ClassVar, Final

from textual.content import Content
from textual.widgets import Static

from socket_bloc import (
    OrderFlow,
    OrderStatus,
    SocketBloc,
    SocketDataQueuedState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketNullState,
    SocketSendDataEvent,
    SocketState,
)
from tui.binding import BlocNode
from tui.widgets.labels import done
from tui.widgets.text import Clock, local_time, one_line, utc_now

__all__ = ["Acknowledgement"]

_NO_CONNECTION: Final = "no connection; press r to connect, then try again"


class Acknowledgement(BlocNode, Static):
    """A line that follows this user's actions; an error is also shown as a notice, which stays longer."""

    DEFAULT_CSS: ClassVar[str] = """
    Acknowledgement { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    """

    def __init__(
        self, bloc: SocketBloc, flow: OrderFlow, *, clock: Clock = utc_now, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._bloc = bloc
        self._flow = flow
        self._clock = clock
        self._own: dict[str, OrderStatus] = {}

    def on_mount(self) -> None:
        self.listen_to(self._bloc, self._on_state)

    def sent(self, message_id: str, order_status: OrderStatus) -> None:
        """Show that the user's action was sent."""
        self._own[message_id] = order_status
        self._show("→", "$text-warning", order_status, "sent, not yet committed")

    def not_sent(self, order_status: OrderStatus, error: Exception) -> None:
        """Show why the user's action was not sent."""
        self._show_error(order_status, "not sent", one_line(str(error)))

    def _on_state(self, state: SocketState) -> None:
        match state:
            case SocketDataQueuedState(order_status, message_id):
                self._own[message_id] = order_status
                self._show("◷", "$text-warning", order_status, "queued; sent once connected")
            case SocketDataSentState(order_status, message_id) if self._own.pop(message_id, None):
                at = local_time(state.at, self._clock())
                self._show("✓", "$text-success", order_status, f"committed {at}")
            case SocketDataRejectedState(order_status, message_id):
                self._own.pop(message_id, None)
                self._show_error(order_status, "rejected", one_line(state.reason))
            case SocketNullState(SocketSendDataEvent(order_status, str(message_id))) if self._own.pop(
                message_id, None
            ):
                self._show_error(order_status, "not sent", _NO_CONNECTION)
            case _:
                pass

    def _show_error(self, order_status: OrderStatus, outcome: str, reason: str) -> None:
        self._show("✗", "$text-error", order_status, f"{outcome}: {reason}")
        title = f"{self._what(order_status)}: {outcome}"
        self.notify(reason, title=title, severity="error", timeout=12, markup=False)

    def _show(self, mark: str, style: str, order_status: OrderStatus, outcome: str) -> None:
        text = f"{mark} {self._what(order_status)}: "
        self.update(Content.assemble((text, style), outcome))

    def _what(self, order_status: OrderStatus) -> str:
        return done(self._flow, order_status.order_status_as_int)
