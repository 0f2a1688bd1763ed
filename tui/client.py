"""The client's panel and app: place orders and follow them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from socket_bloc import ClientType, OrderStatus
from tui.app import RoleApp
from tui.widgets.dialogs import Field, FormScreen
from tui.widgets.panel import RolePanel, action_bindings

__all__ = ["ClientApp", "ClientPanel"]


class ClientPanel(RolePanel):
    """The client's actions: place an order, start, approve an extension, pay, complete, cancel."""

    ROLE = ClientType.CLIENT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "place_order", "New", tooltip="place an order with a serviceman"),
        *action_bindings(ClientType.CLIENT),
    ]
    NOTHING_YET = "No order yet: press n to place one with a serviceman"

    def action_place_order(self) -> None:
        """Ask for the serviceman and the work, and place a new order."""
        step = next(step for step in self._flow.steps if step.begins_order and step.sent_by is self.ROLE)
        order_id = self._new_id()

        def order(lines: tuple[str, ...]) -> OrderStatus:
            receiver_id, message = lines
            return OrderStatus.of(step.status, order_id=order_id, receiver_id=receiver_id, message=message)

        def check(lines: tuple[str, ...]) -> str | None:
            if not lines[0]:
                return "Enter the id of a serviceman"
            rejection = self._flow.check(order(lines), self._bloc.user_id, self.ROLE)
            return rejection.reason if rejection else None

        def place(lines: tuple[str, ...] | None) -> None:
            if lines is not None:
                self.send(order(lines))
                self.choose(order_id)

        last = [order.serviceman_id for order in self._orders.state.by_id.values() if order.serviceman_id]
        fields = [Field("Serviceman", last[-1] if last else "", 128), Field("Work to be done")]
        self.app.push_screen(FormScreen("New order", fields, go="Place order", check=check), place)


class ClientApp(RoleApp):
    """`socket-bloc client`."""

    PANEL = ClientPanel
