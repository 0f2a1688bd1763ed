"""The serviceman's panel and app: accept orders, ask for extensions, verify payments."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from socket_bloc import ClientType
from tui.app import RoleApp
from tui.widgets.panel import RolePanel, action_bindings

__all__ = ["ServicemanApp", "ServicemanPanel"]


class ServicemanPanel(RolePanel):
    """The serviceman's actions: accept, ask for an extension, verify the payment."""

    ROLE = ClientType.SERVICEMAN
    BINDINGS: ClassVar[list[BindingType]] = action_bindings(ClientType.SERVICEMAN)
    NOTHING_YET = "No order yet: a bell rings when a client places one"


class ServicemanApp(RoleApp):
    """`socket-bloc serviceman`."""

    PANEL = ServicemanPanel
