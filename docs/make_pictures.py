"""Makes the pictures of the README: the real apps over a real relay, each at a certain moment.

    python -m docs.make_pictures [NAME ...]

Without a name it makes all of them. An app runs without a terminal and exports an SVG, which a headless
Chromium turns into `docs/pictures/NAME.png`; nothing is fetched from a network. The clock and the ids are
fixed, so a picture changes only if its app does. (The demo's milliseconds are measured.)
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

from textual.pilot import Pilot

from server_stub import Server, Settings, serve
from socket_bloc import ClientType, OrdersCubit, Socket, SocketBloc, StatusCode
from tests.tui.screen import until, until_shown
from tui.app import RoleApp
from tui.client import ClientApp
from tui.connecting import AppBloc
from tui.demo import DemoApp
from tui.play import CANCELLED_ORDER, WHOLE_ORDER, Director, Script, next_step
from tui.sequence import Sequence
from tui.serviceman import ServicemanApp
from tui.settings import DEFAULT_THEME, LastTheme
from tui.stage import set_stage
from tui.widgets.panel import RolePanel

FOLDER: Final = Path(__file__).parent / "pictures"
WIDTH: Final = 900
"""CSS pixels of each picture, about as wide as a README is shown."""
SHARPNESS: Final = 2
"""Pixels in the file for each of them."""
TIMEOUT: Final = 60
"""Seconds for Chromium to draw one."""
FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--default-background-color=00000000",
)
"""Chromium without a window and without a network; what is not drawn stays transparent."""
TAP: Final = "b20e57"
"""The id of the order that the pictures are about."""


class PictureError(Exception):
    """No picture can be made; one line says why."""


# The world of the pictures


@dataclass
class Clock:
    """The time in the pictures; stands in for `datetime` and `time` in the apps and the relay."""

    at: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 9, 41, tzinfo=UTC))

    def now(self, zone: tzinfo) -> datetime:
        return self.at.astimezone(zone)

    def time_ns(self) -> int:
        return int(self.at.timestamp()) * 10**9

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@contextmanager
def same_world() -> Generator[Clock]:
    """The same time, zone, ids and waits at each run; what the user of this machine prefers is left out."""
    clock = Clock()
    with ExitStack() as stack:
        stack.callback(time.tzset)  # the last to be called: by then the environment is as it was
        stack.enter_context(patch.dict(os.environ, {"TZ": "UTC"}))
        os.environ.pop("NO_COLOR", None)
        time.tzset()
        for name in (
            "tui.widgets.text.datetime",
            "socket_bloc.socket.datetime",
            "server_stub.ledger.ledger.time",
        ):
            stack.enter_context(patch(name, clock))
        stack.enter_context(patch("tui.demo.Director", partial(Director, new_id=lambda: TAP)))
        stack.enter_context(patch("random.random", lambda: 0.5))
        yield clock


class World:
    """A relay, and the orders of its users."""

    def __init__(self, relay: Server, clock: Clock, stack: AsyncExitStack) -> None:
        self.relay = relay
        self.clock = clock
        self._stack = stack
        self._blocs: dict[str, SocketBloc] = {}

    async def play(
        self,
        client_id: str,
        serviceman_id: str,
        order_id: str,
        script: Script,
        after: StatusCode | None = None,
    ) -> None:
        """Play an order to the end of the script, with some minutes between the steps."""
        step = next_step(script, order_id, after, serviceman_id)
        while step is not None:
            self.clock.forward(187)
            bloc = await self._bloc(client_id if step.role is ClientType.CLIENT else serviceman_id, step.role)
            await bloc.submit(step.order_status)
            step = next_step(script, order_id, step.status, serviceman_id)

    async def _bloc(self, user_id: str, role: ClientType) -> SocketBloc:
        if user_id not in self._blocs:
            bloc = SocketBloc(user_id, role, uri=self.relay.uri)
            self._blocs[user_id] = await self._stack.enter_async_context(bloc)
        return self._blocs[user_id]

    @asynccontextmanager
    async def open(self, kind: type[RoleApp], user_id: str, chosen: str) -> AsyncGenerator[Pilot[None]]:
        """A user's app, with one of their orders selected."""
        bloc = AppBloc(user_id, kind.PANEL.ROLE, uri=self.relay.uri, full_history=True)
        async with OrdersCubit(bloc) as orders, bloc:
            memory = LastTheme()
            app = kind(bloc, orders, uri=Socket.WEBSOCKET_URI, theme=DEFAULT_THEME, memory=memory)
            async with app.run_test(size=(104, 22), notifications=True) as pilot:
                await until(pilot, lambda: chosen in orders.state.by_id)
                app.query_one(RolePanel).choose(chosen)
                app.clear_notifications()
                yield pilot


@asynccontextmanager
async def a_world() -> AsyncGenerator[World]:
    """A relay over an empty database."""
    with same_world() as clock, TemporaryDirectory(prefix="socket-bloc-") as folder:
        async with AsyncExitStack() as stack:
            settings = Settings(port=0, database=f"sqlite:///{folder}/orders.db")
            yield World(await stack.enter_async_context(serve(settings)), clock, stack)


# The moments


async def client() -> str:
    """A client's order in the middle: an extension is asked for."""
    async with a_world() as world:
        await world.play("c-17", "s-9", "5d18aa", CANCELLED_ORDER)
        await world.play("c-17", "s-9", "c70f31", ((StatusCode.PLACED, "The window sticks"),))
        await world.play("c-17", "s-4", TAP, WHOLE_ORDER[:2])
        async with world.open(ClientApp, "c-17", TAP) as pilot:
            await until_shown(pilot, "YOUR TURN: start the work")
            world.clock.forward(754)
            await pilot.press("s")
            await until_shown(pilot, "started: committed")
            await world.play("c-17", "s-4", TAP, WHOLE_ORDER[:4], after=StatusCode.STARTED)
            await until_shown(pilot, "YOUR TURN: approve the extension")
            return pilot.app.export_screenshot(title="socket-bloc client --user c-17")


async def serviceman() -> str:
    """A serviceman with several orders, when a new one comes in."""
    async with a_world() as world:
        await world.play("c-23", "s-4", "90be12", WHOLE_ORDER)
        await world.play("c-31", "s-4", "e4417c", ((StatusCode.PLACED, "A socket sparks"), *WHOLE_ORDER[1:6]))
        await world.play(
            "c-23", "s-4", "47d0f2", ((StatusCode.PLACED, "The lamp flickers"), *WHOLE_ORDER[1:3])
        )
        async with world.open(ServicemanApp, "s-4", "e4417c") as pilot:
            await until_shown(pilot, "YOUR TURN: verify the payment")
            await world.play("c-17", "s-4", TAP, WHOLE_ORDER[:1])
            await until_shown(pilot, "Your turn: accept the order")
            return pilot.app.export_screenshot(title="socket-bloc serviceman --user s-4")


async def offline() -> str:
    """A client whose relay is down: the action is queued, and reconnecting goes on."""
    async with a_world() as world:
        await world.play("c-17", "s-4", TAP, WHOLE_ORDER[:2])
        async with world.open(ClientApp, "c-17", TAP) as pilot:
            await until_shown(pilot, "YOUR TURN: start the work")
            world.clock.forward(754)
            world.relay.abort()
            await until_shown(pilot, "reconnecting")
            await pilot.press("s")
            await until_shown(pilot, "1 queued", "(attempt 3)")
            return pilot.app.export_screenshot(title="socket-bloc client --user c-17")


async def demo() -> str:
    """Both sides of an order in the middle, and the arrows that led there."""
    with same_world() as clock:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(set_stage(Sequence()))
            blocs = stage.blocs
            orders = {
                role: await stack.enter_async_context(OrdersCubit(bloc)) for role, bloc in blocs.items()
            }
            for bloc in blocs.values():
                await stack.enter_async_context(bloc)
            app = DemoApp(stage, orders, theme=DEFAULT_THEME, memory=LastTheme())
            async with app.run_test(size=(150, 31)) as pilot:
                await pilot.press("space")
                await until(pilot, lambda: all(bloc.is_connected for bloc in blocs.values()))
                for status, _ in WHOLE_ORDER[:4]:
                    clock.forward(187)
                    await pilot.press("full_stop")
                    await until(pilot, lambda status=status: all_know(orders, status))
                await until_shown(pilot, "YOUR TURN: approve the extension", " 14 │")
                await pilot.press("space")
                return app.export_screenshot(title="socket-bloc demo")


def all_know(orders: dict[ClientType, OrdersCubit], status: StatusCode) -> bool:
    """Return whether both parties have seen the order in `status`."""
    return all(cubit.state.get(TAP).current_status == status for cubit in orders.values())


MOMENTS: Final[dict[str, Callable[[], Coroutine[None, None, str]]]] = {
    moment.__name__: moment for moment in (client, serviceman, demo, offline)
}


# From SVG to PNG


def draw(svg: str, png: Path, chromium: str) -> None:
    """Draw the SVG with Chromium, in the Fira Code of this machine."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    height = round(WIDTH * float(box[2]) / float(box[1]))
    # What links to a font of the network goes, and the title is written like the rest.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("arial", "Fira Code")
    with TemporaryDirectory(prefix="socket-bloc-") as folder:
        page = Path(folder, "page.html")
        style = f"body {{ margin: 0 }} svg {{ display: block; width: {WIDTH}px; height: {height}px }}"
        page.write_text(f"<meta charset=utf-8><style>{style}</style>{svg}", encoding="utf-8")
        drawn = Path(folder, png.name)
        command = [chromium, *FLAGS, f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{height}"]
        command += [f"--force-device-scale-factor={SHARPNESS}", f"--screenshot={drawn}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if not drawn.exists():
            raise PictureError(f"{chromium} drew no {png.name}: {done.stderr.strip()[-300:]}")
        png.parent.mkdir(exist_ok=True)
        shutil.copyfile(drawn, png)


def find_chromium() -> str:
    """Return the path of Chromium. Raises `PictureError` if it or its font is missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    fonts = shutil.which("fc-list")
    has_font = fonts is not None and subprocess.run([fonts, "Fira Code"], capture_output=True).stdout
    if chromium is None or not has_font:
        raise PictureError("pictures need Chromium and Fira Code; apt-get install chromium fonts-firacode")
    return chromium


def main(names: list[str]) -> int:
    """Make these pictures, or all of them. Returns the exit status."""
    try:
        for name in names or MOMENTS:
            if name not in MOMENTS:
                raise PictureError(f"unknown picture {name}; choose from {', '.join(MOMENTS)}")
        chromium = find_chromium()
        for name in names or MOMENTS:
            png = FOLDER / f"{name}.png"
            draw(asyncio.run(MOMENTS[name]()), png, chromium)
            sys.stdout.write(f"{png}  {png.stat().st_size / 1000:.0f} kB\n")
    except PictureError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
