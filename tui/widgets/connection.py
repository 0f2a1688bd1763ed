"""The connection of a bloc in words: why it is not live, what is queued; to be copied into a bug report."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen

from socket_bloc import SocketBloc
from tui.binding import BlocNode
from tui.widgets.box import Box
from tui.widgets.line import Line

__all__ = ["ConnectionScreen"]


class ConnectionScreen(BlocNode, ModalScreen[None]):
    """Shows `bloc.connection` while it is open: at each state of the bloc, and once a second."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,i,q,enter,space", "dismiss", "Close"),
        Binding("c", "copy", "Copy"),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    ConnectionScreen {
        align: center middle;
        & > Box { width: 72; }
    }
    """

    def __init__(self, bloc: SocketBloc) -> None:
        super().__init__()
        self._bloc = bloc

    def compose(self) -> ComposeResult:
        with Box("Connection", "c: copy   esc: close"):
            yield Line()

    def on_mount(self) -> None:
        self.set_interval(1, self._show)
        self.build_from(self._bloc, lambda _: self._show())

    def action_copy(self) -> None:
        """Copy the text, for a bug report."""
        self.app.copy_to_clipboard(str(self._bloc.connection))
        self.notify("Copied, if the terminal allows it.", markup=False)

    def _show(self) -> None:
        self.query_one(Line).show(Content(str(self._bloc.connection)))
