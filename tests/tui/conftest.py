"""A clean environment for the screens, a real relay, and apps that are connected to it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from contextvars import Context, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from server_stub import Server, Settings, serve
from socket_bloc import OrdersCubit, SocketBloc
from tests.tui.screen import text_of, until
from tui.app import RoleApp
from tui.connecting import AppBloc
from tui.settings import LastTheme


@pytest.fixture(autouse=True)
def screen_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keep the user's own preferences out of the tests."""
    for name in [*os.environ]:
        if name.startswith(("TEXTUAL", "SOCKET_BLOC_")) or name in ("NO_COLOR", "COLORFGBG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def relay_settings(folder: Path, port: int = 0) -> Settings:
    """A relay on loopback, with its database in `folder`."""
    return Settings(port=port, database=f"sqlite:///{folder}/orders.db", rate_limit=0)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Server]:
    """A relay on a free port, over an empty database."""
    async with serve(relay_settings(tmp_path)) as server:
        yield server


@dataclass
class Running:
    """A running app, and what a test needs of it."""

    pilot: Pilot[None]
    app: RoleApp
    bloc: SocketBloc
    orders: OrdersCubit
    leave: Callable[[], Awaitable[None]]
    context: Context

    async def press(self, *keys: str) -> None:
        # In the app's own context, as Textual's pilot expects it.
        await asyncio.create_task(self.pilot.press(*keys), context=self.context)

    async def type(self, text: str) -> None:
        await self.press(*text)

    async def click(self, target: str | Widget) -> None:
        await asyncio.create_task(self.pilot.click(target), context=self.context)

    async def shows(self, *texts: str) -> None:
        """Wait until each of these texts is on the screen."""
        await until(self.pilot, lambda: all(text in self.text for text in texts))

    @property
    def text(self) -> str:
        return text_of(self.app)

    @property
    def notices(self) -> list[str]:
        """The notices that are still shown."""
        return [f"{notice.title}\n{notice.message}" for notice in self.app._notifications]

    async def places(self, serviceman: str, message: str) -> None:
        """Place an order with the keys."""
        await self.press("n")
        await until(self.pilot, lambda: self.app.screen.query(Input))
        for line, value in zip(self.app.screen.query(Input), (serviceman, message), strict=True):
            line.value = value
            line.focus()
        await self.press("enter")


class OpenApp(Protocol):
    """Opens an app for a user; it is closed when its test ends."""

    async def __call__(
        self,
        kind: type[RoleApp],
        user: str,
        *,
        size: tuple[int, int] = (100, 30),
        uri: str | None = None,
        **options: Any,
    ) -> Running: ...


@pytest.fixture
async def open_app(relay: Server, tmp_path: Path) -> AsyncIterator[OpenApp]:
    """Opens apps, connected to the relay."""
    async with AsyncExitStack() as stack:

        async def open(
            kind: type[RoleApp],
            user: str,
            *,
            size: tuple[int, int] = (100, 30),
            uri: str | None = None,
            **options: Any,
        ) -> Running:
            uri = uri or relay.uri
            bloc = AppBloc(user, kind.PANEL.ROLE, uri=uri, full_history=True, **options)
            orders = await stack.enter_async_context(OrdersCubit(bloc))
            stack.push_async_callback(bloc.close)
            app = kind(
                bloc,
                orders,
                uri=uri,
                theme="textual-dark",
                memory=LastTheme(),
                keeps_queue="outbox" in options,
            )
            ready: asyncio.Future[tuple[Pilot[None], Context]] = asyncio.get_running_loop().create_future()
            leave = asyncio.Event()

            async def run() -> None:
                # In a task of its own: Textual wants to leave in the context in which it was entered.
                async with app.run_test(size=size, notifications=True) as pilot:
                    ready.set_result((pilot, copy_context()))
                    await leave.wait()

            task = asyncio.create_task(run())

            async def end() -> None:
                leave.set()
                await task

            stack.push_async_callback(end)
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
            pilot, context = await ready
            return Running(pilot, app, bloc, orders, end, context)

        yield open
