"""The demo in a terminal: both panels, and between them the sequence diagram as it happens.

The orders play by themselves or step by step; a cable can be pulled and the relay killed. The panels are
those of the apps, and can be used at any time.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Footer, Static

from socket_bloc import ClientType, OrdersCubit, SocketConnectEvent
from tui.app import OrdersApp, run
from tui.client import ClientPanel
from tui.play import Director
from tui.sequence import Sequence
from tui.serviceman import ServicemanPanel
from tui.settings import LastTheme
from tui.stage import USERS, Stage, set_stage
from tui.widgets.panel import RolePanel
from tui.widgets.sequence_view import SequenceView

__all__ = ["DemoApp", "run_demo"]

SPEEDS = (0.1, 0.3, 0.7, 1.5, 3.0)
"""Seconds between two steps, from the fastest on."""


class DemoApp(OrdersApp):
    """`socket-bloc demo`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "toggle_play", "Play", tooltip="play the orders, or pause"),
        Binding("full_stop", "step", "Step", key_display=".", tooltip="play one step"),
        Binding("plus", "faster", "Faster", key_display="+", tooltip="play faster"),
        Binding("minus", "slower", "Slower", key_display="-", tooltip="play more slowly"),
        Binding("k", "cable('client')", "Cut C", tooltip="pull the client's cable, or plug it in"),
        Binding("l", "cable('serviceman')", "Cut S", tooltip="pull the serviceman's cable, or plug it in"),
        Binding("t", "relay", "Kill K", tooltip="kill the relay, or start it again"),
    ]
    CSS: ClassVar[str] = """
    #controls { height: auto; padding: 0 1; background: $panel; }
    #stage { height: 1fr; layout: grid; grid-size: 3; grid-columns: 1fr 46 1fr; }
    #stage > * { border: round $primary-muted; }
    #stage > *:focus-within { border: round $primary; }
    .-medium #stage { grid-size: 2 1; grid-columns: 1fr 1fr; }
    .-medium SequenceView { dock: bottom; height: 8; }
    .-narrow #stage { layout: vertical; overflow-y: auto; }
    .-narrow #stage > * { height: 18; }
    """

    def __init__(
        self,
        stage: Stage,
        orders: dict[ClientType, OrdersCubit],
        *,
        theme: str,
        memory: LastTheme,
        plays: bool = True,
    ) -> None:
        """Show what happens on `stage`; with `plays`, the orders play from the start."""
        super().__init__(list(orders.values()), theme=theme, memory=memory)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-medium"), (110, "-wide")]
        self._stage = stage
        self._orders = orders
        self._plays = plays
        self._director = Director(USERS[ClientType.SERVICEMAN])
        self._speed = SPEEDS.index(1.5)
        self._playing: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="controls")
        client, serviceman = ClientType.CLIENT, ClientType.SERVICEMAN
        with Container(id="stage"):
            yield ClientPanel(self._stage.blocs[client], self._orders[client])
            yield SequenceView(self._stage.sequence)
            yield ServicemanPanel(self._stage.blocs[serviceman], self._orders[serviceman])
        yield Footer()

    def on_mount(self) -> None:
        super().on_mount()
        if self._plays:
            self._play(after=SPEEDS[self._speed])
        self._show_controls()

    def on_ready(self) -> None:
        for bloc in self._stage.blocs.values():
            bloc.add(SocketConnectEvent())

    def bell(self) -> None:
        """Do nothing: both sides are on the screen."""

    # The play

    def action_toggle_play(self) -> None:
        """Play the orders, or pause."""
        if self._playing is None:
            self._play(after=SPEEDS[self._speed])
        else:
            self._pause()

    def action_step(self) -> None:
        """Pause, and play one step."""
        self._pause()
        if not self._step():
            self.notify("The previous step is still pending.", markup=False)

    def action_faster(self) -> None:
        """Play faster."""
        self._set_speed(max(self._speed - 1, 0))

    def action_slower(self) -> None:
        """Play more slowly."""
        self._set_speed(min(self._speed + 1, len(SPEEDS) - 1))

    def _set_speed(self, speed: int) -> None:
        self._speed = speed
        if self._playing is not None:
            self._play(after=SPEEDS[speed])
        self._show_controls()

    def _play(self, after: float) -> None:
        if self._playing is not None:
            self._playing.stop()
        self._playing = self.set_interval(after, self._step)
        self._show_controls()

    def _pause(self) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
        self._show_controls()

    def _step(self) -> bool:
        """Take the next step in its party's panel. Returns False while the previous one is pending."""
        panels = {panel.ROLE: panel for panel in self.query(RolePanel) if panel.is_complete}
        if len(panels) < len(ClientType) or not self.is_running:
            return False  # the screen is still being built, or the app is shutting down
        step = self._director.next_step(*(self._orders[role].state for role in ClientType))
        if step is None:
            return False
        panels[step.role].send(step.order_status)
        for panel in panels.values():
            panel.choose(step.order_status.order_id)
        return True

    # The failures

    def action_cable(self, role: str) -> None:
        """Pull the cable of one party, or plug it in again."""
        cable = self._stage.cables[ClientType(role)]
        if cable.is_plugged:
            cable.pull()
        else:
            cable.plug()
            self._stage.blocs[ClientType(role)].add(
                SocketConnectEvent()
            )  # without waiting for the next attempt
        self._show_controls()

    async def action_relay(self) -> None:
        """Kill the relay, or start it again."""
        if self._stage.has_relay:
            self._stage.kill_relay()
        else:
            await self._stage.start_relay()
            for bloc in self._stage.blocs.values():
                bloc.add(SocketConnectEvent())
        self._show_controls()

    def _show_controls(self) -> None:
        playing = "▶ playing" if self._playing is not None else "‖ paused"
        parts = [f"{playing}, {SPEEDS[self._speed]:g} s a step"]
        parts += [
            f"{role} cable {'plugged' if cable.is_plugged else 'PULLED'}"
            for role, cable in self._stage.cables.items()
        ]
        parts.append("relay runs" if self._stage.has_relay else "relay KILLED")
        self.query_one("#controls", Static).update(Content(" · ".join(parts)))


def run_demo(sequence: Sequence, theme: str) -> int:
    """Run the demo in the terminal until the user quits. Returns the exit status. `sequence` records it."""
    # Without a handler Python writes warnings to stderr, which is the screen.
    logging.getLogger().addHandler(logging.NullHandler())

    async def main() -> int:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(set_stage(sequence))
            orders = {
                role: await stack.enter_async_context(OrdersCubit(bloc)) for role, bloc in stage.blocs.items()
            }
            app = DemoApp(stage, orders, theme=theme, memory=LastTheme())
            return await run(app, list(stage.blocs.values()))

    return asyncio.run(main())
