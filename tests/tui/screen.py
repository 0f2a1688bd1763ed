"""Reading an app's screen as text, and waiting for what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from socket_bloc.bloc import BlocBase

TIMEOUT = 30.0


def text_of(app: App[Any]) -> str:
    """Return the text on the screen, a line for each row, without trailing blanks."""
    with app._context():  # a widget that is just being taken out asks for it
        strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail with the screen if it does not."""
    try:
        async with asyncio.timeout(TIMEOUT):
            while True:  # a screen does not notify when it has been drawn
                if condition():
                    return
                await asyncio.sleep(0.03)
    except TimeoutError:
        raise AssertionError(f"waited for {TIMEOUT:.0f} s; the screen:\n{text_of(pilot.app)}") from None


async def until_shown(pilot: Pilot[Any], *texts: str) -> None:
    """Wait until each of these texts is on the screen."""
    await until(pilot, lambda: all(text in text_of(pilot.app) for text in texts))


def listeners(bloc: BlocBase[Any]) -> int:
    """Return the number of listeners of a bloc."""
    return len(bloc._states._observers)
