"""The screens as text, at three sizes, compared with files. `SNAPSHOTS=write` writes the files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from socket_bloc import (
    OrdersCubit,
    OrderStatus,
    SocketBloc,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataSentState,
    SocketEvent,
    SocketReceiveDataState,
    SocketReconnectingState,
    SocketState,
    StatusCode,
)
from tests.tui.screen import text_of, until, until_shown
from tui.app import RoleApp
from tui.client import ClientApp
from tui.connecting import AppBloc
from tui.serviceman import ServicemanApp
from tui.settings import LastTheme

Scene = Callable[[Pilot[None], SocketBloc], Awaitable[None]]
SNAPSHOTS = Path(__file__).parent / "snapshots"
SMALL, USUAL, LARGE = (50, 24), (80, 24), (120, 30)
START = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)
NOW = START + timedelta(minutes=40)

# Three orders: who sends what, a little later each time.
FEED = (
    ("c-17", StatusCode.PLACED, "7d3e11", "Kitchen tap drips"),
    ("c-17", StatusCode.PLACED, "9d3e22", "A door sticks"),
    ("s-4", StatusCode.ACCEPTED, "7d3e11", "On my way"),
    ("c-17", StatusCode.CANCELLED, "9d3e22", "It does not any more"),
    ("c-17", StatusCode.STARTED, "7d3e11", ""),
    ("c-17", StatusCode.PLACED, "8d3e33", "The fan is noisy"),
    ("s-4", StatusCode.ORDER_CHANGED, "7d3e11", "The pipe is worn too: 30 minutes more?"),
)


class Unconnected(AppBloc):
    """A bloc whose states are those that a test emits."""

    def add(self, event: SocketEvent) -> None:
        pass


def states(user: str, other: str) -> list[SocketState]:
    """Emit the feed as one of its two users receives it."""
    result: list[SocketState] = [SocketConnectState(resumed=True, epoch="e")]
    for seq, (sender, code, order_id, message) in enumerate(FEED, 1):
        receiver = other if sender == user else user
        status = OrderStatus.of(
            code, order_id=order_id, message=message, sender_id=sender, receiver_id=receiver
        )
        kind = SocketDataSentState if sender == user else SocketReceiveDataState
        result.append(kind(status, f"m-{seq}", seq, START + timedelta(minutes=4 * seq)))
    return result


async def nothing(pilot: Pilot[None], bloc: SocketBloc) -> None:
    """The initial screen."""


async def lost(pilot: Pilot[None], bloc: SocketBloc) -> None:
    """A lost connection and a queued approval."""
    status = OrderStatus.of(StatusCode.EXTENDED, order_id="7d3e11")
    bloc.emit(SocketReconnectingState(2, NOW + timedelta(seconds=3), "the relay is silent"))
    bloc.emit(SocketDataQueuedState(status, "m-queued"))
    await until_shown(pilot, "1 queued")


async def place(pilot: Pilot[None], bloc: SocketBloc) -> None:
    """The form for a new order."""
    await pilot.press("n")
    await until_shown(pilot, "Work to be done", "Place order")


async def help(pilot: Pilot[None], bloc: SocketBloc) -> None:
    """The help screen."""
    await pilot.press("f1")
    await until_shown(pilot, "esc: close")


@pytest.mark.parametrize("size", [SMALL, USUAL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("kind", "user", "other", "scene"),
    [
        (ClientApp, "c-17", "s-4", nothing),
        (ClientApp, "c-17", "s-4", lost),
        (ServicemanApp, "s-4", "c-17", nothing),
    ],
)
async def test_the_screen_matches_its_snapshot(
    kind: type[RoleApp], user: str, other: str, scene: Scene, size: tuple[int, int]
) -> None:
    await compare(kind, user, other, scene, size)


@pytest.mark.parametrize("size", [SMALL, USUAL], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", [place, help])
async def test_a_dialog_matches_its_snapshot(scene: Scene, size: tuple[int, int]) -> None:
    await compare(ClientApp, "c-17", "s-4", scene, size)


async def compare(
    kind: type[RoleApp],
    user: str,
    other: str,
    scene: Scene,
    size: tuple[int, int],
) -> None:
    bloc = Unconnected(user, kind.PANEL.ROLE)
    async with OrdersCubit(bloc) as orders, bloc_closed(bloc):
        memory = LastTheme()
        uri = "ws://relay.example/order"
        app = kind(bloc, orders, uri=uri, theme="textual-dark", memory=memory, clock=lambda: NOW)
        async with app.run_test(size=size) as pilot:
            for state in states(user, other):
                bloc.emit(state)
            await until_shown(pilot, "● connected", "1 ended", "Kitchen tap drips")
            await scene(pilot, bloc)
            file = SNAPSHOTS / f"{kind.PANEL.ROLE}_{scene.__name__}_{size[0]}x{size[1]}.txt"
            if os.environ.get("SNAPSHOTS") == "write":
                await pilot.pause(1)
                file.write_text(text_of(app), encoding="utf-8")
            expected = file.read_text(encoding="utf-8")
            with suppress(AssertionError):
                await until(pilot, lambda: text_of(app) == expected)
            assert text_of(app) == expected


@asynccontextmanager
async def bloc_closed(bloc: SocketBloc) -> AsyncIterator[None]:
    """Close a bloc that was never connected."""
    try:
        yield
    finally:
        await bloc.close()
