"""What the apps have in common: themes, help, commands, quitting, and running with a bloc."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import ClassVar, Final

from textual.actions import SkipAction
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme
from textual.widgets import Footer, Header, Input

from socket_bloc import OrdersCubit, OutboxError, SocketBloc, SocketConnectEvent
from tui.binding import BlocNode
from tui.connecting import AppBloc, open_bloc
from tui.hangup import on_hangup
from tui.settings import AppSettings, LastTheme
from tui.widgets.dialogs import ConfirmScreen
from tui.widgets.help import HelpScreen
from tui.widgets.panel import RolePanel
from tui.widgets.text import Clock, one_line, utc_now

__all__ = ["OrdersApp", "RoleApp", "run", "run_role_app"]

STANDARD_INPUT: Final = 0


class _QuitScreen(ConfirmScreen):
    """Asks for confirmation if statuses are still queued."""


class OrdersApp(App[None]):
    """An app that shows the orders of one or more users; subclasses compose its screen."""

    TITLE = "socket-bloc"
    CSS = """
    /* Notices must not cover the actions, which are at the bottom. */
    ToastRack { dock: top; align: right top; margin-top: 4; margin-bottom: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", tooltip="this help"),
        Binding("q", "quit", "Quit", tooltip="quit; so do ctrl+q and ctrl+c"),
        Binding("ctrl+c", "help_quit", show=False, priority=True),
    ]

    def __init__(
        self, orders: Sequence[OrdersCubit], *, theme: str, memory: LastTheme, keeps_queue: bool = False
    ) -> None:
        """Start in `theme`; if the user chooses another one, it is saved.

        `keeps_queue` is whether what is queued is sent at the next start.
        """
        super().__init__()
        self._all_orders = orders
        self._keeps_queue = keeps_queue
        self._memory = memory
        self.theme = theme

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._remember)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Textual's commands, and each active key."""
        # Textual does not type the results of its screens.
        yield from super().get_system_commands(screen)  # pyright: ignore[reportUnknownMemberType]
        for active in screen.active_bindings.values():
            if active.binding.tooltip and active.binding.action != "quit":
                action = partial(self.run_action, active.binding.action, active.node)
                title = f"{active.binding.description} ({active.binding.key})"
                yield SystemCommand(title, active.binding.tooltip.capitalize(), action)

    def action_help(self) -> None:
        """Show the keys and the marks."""
        self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    async def action_quit(self) -> None:
        """Quit the app."""
        self.leave()

    def action_help_quit(self) -> None:
        """Quit on Ctrl-C, where Textual would only show which key quits; with a selection, copy it."""
        line = self.focused
        if (isinstance(line, Input) and line.selected_text) or self.screen.get_selected_text():
            raise SkipAction
        self.leave()

    def leave(self) -> None:
        """Quit the app. If something is not sent yet, say what becomes of it first; but only once."""
        all_orders = [order for orders in self._all_orders for order in orders.state.by_id.values()]
        pending = sum(len(order.pending) for order in all_orders)
        if not pending or isinstance(self.screen, _QuitScreen):
            self.exit()
            return
        fate = "sent at the next start" if self._keeps_queue else "never sent"
        question = f"Not yet committed: {pending}. If you quit now,\nwhat is still queued is {fate}."
        screen = _QuitScreen(question, yes="Quit", no="Stay")
        self.push_screen(screen, lambda yes: self.exit() if yes else None)

    def _remember(self, theme: Theme) -> None:
        try:
            self._memory.write(theme.name)
        except OSError as error:
            text = f"{self._memory.path}: {error.strerror}"
            self.notify(text, title="Cannot save the theme", severity="warning", markup=False)


class RoleApp(BlocNode, OrdersApp):
    """A panel with a header and a footer."""

    PANEL: ClassVar[type[RolePanel]]

    def __init__(
        self,
        bloc: AppBloc,
        orders: OrdersCubit,
        *,
        uri: str,
        theme: str,
        memory: LastTheme,
        keeps_queue: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__([orders], theme=theme, memory=memory, keeps_queue=keeps_queue)
        self._clock = clock
        self._bloc = bloc
        self._orders = orders
        self.sub_title = uri

    def on_mount(self) -> None:
        self.build_from(self._bloc.problem, self._show_problem)

    def on_ready(self) -> None:
        # Not before: what the relay rejects of an earlier process's outbox is told once.
        self._bloc.add(SocketConnectEvent())

    def _show_problem(self, problem: str) -> None:
        if problem:
            title = "A problem with the connection"
            self.notify(one_line(problem), title=title, severity="warning", timeout=12, markup=False)

    def compose(self) -> ComposeResult:
        yield Header(icon="≡")
        yield self.PANEL(self._bloc, self._orders, clock=self._clock)
        yield Footer(show_command_palette=False)


async def run(app: App[None], blocs: Sequence[SocketBloc]) -> int:
    """Run an app that connects its blocs. Returns the exit status.

    The blocs are closed after the app has ended, also when it crashes.
    """
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for bloc in blocs:
            stack.push_async_callback(bloc.close)
        if sys.platform != "win32":
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                loop.add_signal_handler(number, app.exit)
            stack.enter_context(on_hangup(STANDARD_INPUT, app.exit))
        await app.run_async()
    return app.return_code or 0


def run_role_app(kind: type[RoleApp], settings: AppSettings) -> int:
    """Run the client's or the serviceman's app until the user quits. Returns the exit status."""

    async def main() -> int:
        try:
            bloc = open_bloc(settings, kind.PANEL.ROLE)
        except (OutboxError, ValueError) as error:
            sys.stderr.write(f"{error}, or start with --outbox memory\n")
            return 1
        async with OrdersCubit(bloc) as orders:
            app = kind(
                bloc,
                orders,
                uri=", ".join(settings.uris),
                theme=settings.theme,
                memory=LastTheme(),
                keeps_queue=settings.outbox is not None,
            )
            return await run(app, [bloc])

    return asyncio.run(main())
