"""What the panels of both roles have in common: the orders, the selected one, and its actions.

A panel reads its bloc and its orders, and sends statuses. An app can show several panels, each with its own
bloc. What may be sent is decided by the order and its flow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final, assert_never

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Label

from socket_bloc import (
    ORDER_FLOW,
    BlocClosedError,
    ClientType,
    InvalidOrderStatusError,
    Order,
    Orders,
    OrdersCubit,
    OrderStatus,
    OutboxError,
    SocketBloc,
    SocketConnectEvent,
    Step,
)
from socket_bloc.ids import new_id
from tui.binding import BlocNode
from tui.widgets.acknowledgement import Acknowledgement
from tui.widgets.action_bar import ActionBar
from tui.widgets.badge import ConnectionBadge
from tui.widgets.connection import ConnectionScreen
from tui.widgets.dialogs import ConfirmScreen, Field, FormScreen
from tui.widgets.labels import Ask, labels_of
from tui.widgets.line import Line
from tui.widgets.notices import TurnNotices
from tui.widgets.open_orders import OpenOrders
from tui.widgets.order_list import OrderList
from tui.widgets.text import Clock, one_line, utc_now
from tui.widgets.timeline import Timeline
from tui.widgets.turn import turn_text, why_not

__all__ = ["RolePanel", "action_bindings"]

WIDE: Final = 76
"""Columns from which the selected order is next to the list, not below it."""
NARROW: Final = 60
"""Columns below which the connection is below the name, not next to it."""


def action_bindings(role: ClientType) -> list[BindingType]:
    """Return a key binding for each status of the diagram that this role sends; the action bar shows it."""
    return [
        Binding(labels.key, f"send('{step.status.name}')", labels.button, show=False, tooltip=labels.verb)
        for step in ORDER_FLOW.steps
        if step.sent_by is role and not step.begins_order
        for labels in (labels_of(step),)
    ]


class RolePanel(BlocNode, Vertical):
    """One user's orders. Subclasses define the role, and what else that role can do."""

    ROLE: ClassVar[ClientType]
    NOTHING_YET: ClassVar[str] = "No order yet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "toggle_history", "Ended", tooltip="show or hide ended orders"),
        Binding("i", "show_connection", "Info", tooltip="the connection, for a bug report"),
        Binding("r", "connect", "Retry", tooltip="connect now, also after a refusal"),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    RolePanel {
        .top { height: auto; padding: 0 1; }
        .name { width: 1fr; text-style: bold; }
        .turn { height: auto; padding: 0 1; background: $panel; }
        &.-mine .turn { background: $success-muted; }
        .orders { height: 1fr; }
        OrderList { height: auto; max-height: 40%; min-height: 3; }
        .order { height: 1fr; }
        Timeline { height: 1fr; min-height: 3; }
        &.-narrow {
            .top { layout: vertical; }
            .name { width: auto; }
            ConnectionBadge { width: 1fr; max-width: 100%; }
        }
        &.-wide {
            .orders { layout: horizontal; }
            OrderList { width: 2fr; height: 1fr; max-height: 100%; margin-right: 1; }
            .order { width: 3fr; }
        }
    }
    """

    def __init__(
        self,
        bloc: SocketBloc,
        orders: OrdersCubit,
        *,
        new_id: Callable[[], str] = new_id,
        clock: Clock = utc_now,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Show `orders`, which must listen to `bloc`; both must outlive the panel."""
        super().__init__(id=id, classes=classes)
        self._bloc = bloc
        self._orders = orders
        self._flow = bloc.flow
        self._new_id = new_id
        self._clock = clock
        self._open = OpenOrders(self.ROLE)
        self._chosen: str | None = None
        self._shows_history = False

    def compose(self) -> ComposeResult:
        with Horizontal(classes="top"):
            yield Label(Content(f"{self.ROLE.capitalize()} {one_line(self._bloc.user_id)}"), classes="name")
            yield ConnectionBadge(self._bloc, self._orders, clock=self._clock)
        yield Line(classes="turn")
        with Vertical(classes="orders"):
            yield OrderList(self.ROLE, clock=self._clock)
            with Vertical(classes="order"):
                yield Timeline(self.ROLE, clock=self._clock)
                yield ActionBar(self.ROLE, self._flow)
        yield Acknowledgement(self._bloc, self._flow, clock=self._clock)
        yield TurnNotices(self._orders, self.ROLE, is_seen=self._is_seen)

    def on_mount(self) -> None:
        self.build_from(self._orders, self._show)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "-wide")
        self.set_class(event.size.width < NARROW, "-narrow")

    @property
    def is_complete(self) -> bool:
        """Whether all its widgets are there; not before it is composed, nor while it is removed."""
        return len(self.query("OrderList, Timeline, ActionBar")) == 3

    @property
    def chosen(self) -> Order | None:
        """The selected order, to which the actions apply."""
        return self._orders.state.by_id.get(self._chosen or "")

    def choose(self, order_id: str | None) -> None:
        """Select this order."""
        self._chosen = order_id
        self._show(self._orders.state)

    def _show(self, orders: Orders) -> None:
        self._open.follow(orders)
        if self._chosen not in orders.by_id:
            self._chosen = self._open.first
        if not self.is_complete:
            return  # it is being removed
        order = orders.by_id.get(self._chosen or "")
        history = orders.by_id.values() if self._shows_history else None
        self.query_one(OrderList).show(self._open, order, history)
        self.query_one(Timeline).show(order)
        self.query_one(ActionBar).show(order)
        self.set_class(order is not None and order.is_turn_of(self.ROLE), "-mine")
        is_empty = not orders.by_id
        turn = Content(self.NOTHING_YET) if is_empty else turn_text(self.ROLE, order)
        self.query_one(".turn", Line).show(turn)

    def _is_seen(self, order: Order) -> bool:
        """Return whether the user already sees that it is their turn; a new order is always notified."""
        return order.order_id == self._chosen and len(order.entries) > 1

    # What the user does

    @on(OrderList.Chosen)
    def _on_chosen(self, event: OrderList.Chosen) -> None:
        event.stop()
        self.choose(event.order_id)

    @on(ActionBar.Pressed)
    def _on_pressed(self, event: ActionBar.Pressed) -> None:
        event.stop()
        self._begin(event.step)

    def action_send(self, name: str) -> None:
        """Send the status of this name, or show why that is not allowed."""
        for step in self._flow.steps:
            if step.status.name == name:
                self._begin(step)

    def action_toggle_history(self) -> None:
        """Show or hide the orders that have ended."""
        if not self._open.ended:
            self.notify("No order has ended yet.", markup=False)
        self._shows_history = not self._shows_history
        self._show(self._orders.state)

    def action_show_connection(self) -> None:
        """Show the connection: its state, its last loss, what is queued."""
        self.app.push_screen(ConnectionScreen(self._bloc))

    def action_connect(self) -> None:
        """Connect now if there is no connection."""
        if self._bloc.is_connected:
            self.notify("Already connected.", markup=False)
        else:
            self.notify("Connecting.", markup=False)
            self._bloc.add(SocketConnectEvent())

    def send(self, order_status: OrderStatus) -> None:
        """Send a status; the line at the bottom shows the outcome, also if it cannot be sent."""
        acknowledgement = self.query_one(Acknowledgement)
        try:
            message_id = self._orders.send(order_status)
        except (InvalidOrderStatusError, OutboxError, BlocClosedError) as error:
            acknowledgement.not_sent(order_status, error)
        else:
            acknowledgement.sent(message_id, order_status)

    def _begin(self, step: Step) -> None:
        """Ask the user what the step needs, and send its status."""
        order = self.chosen
        if not self._is_allowed(step, order) or order is None:
            return
        labels = labels_of(step)
        finish = partial(self._finish, step, order.order_id)
        match labels.ask:
            case Ask.NOTHING:
                finish()
            case Ask.CONFIRMATION:
                question = f"{labels.verb.capitalize()}? This cannot be undone.\n{one_line(order.message)}"
                screen = ConfirmScreen(question, yes=labels.button, no="Keep")
                self.app.push_screen(screen, lambda yes: finish() if yes else None)
            case Ask.MESSAGE:
                form = FormScreen(labels.verb.capitalize(), [Field("Message")], go=labels.button)
                self.app.push_screen(form, lambda lines: finish(*lines) if lines else None)
            case _:
                assert_never(labels.ask)

    def _finish(self, step: Step, order_id: str, message: str = "") -> None:
        # The order may have changed while the user was asked.
        if self._is_allowed(step, self._orders.state.by_id.get(order_id)):
            self.send(OrderStatus.of(step.status, order_id=order_id, message=message))

    def _is_allowed(self, step: Step, order: Order | None) -> bool:
        """Return whether a step is allowed now; if not, show the reason and whose turn it is."""
        if order is not None and order.may_send(step.status):
            return True
        title = f"{labels_of(step).button}: not now"
        text = f"{why_not(step, order)}\n{turn_text(self.ROLE, order).plain}"
        self.notify(text, title=title, severity="warning", markup=False)
        return False
