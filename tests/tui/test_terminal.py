"""The apps as processes in a real terminal: what they show, what the keys do, how they leave the terminal."""

from __future__ import annotations

import os
import signal

import pytest

from server_stub import Server
from socket_bloc import ClientType, OrdersCubit, OrderStatus, SocketBloc, StatusCode
from tests.tui.terminal import ALTERNATE_SCREEN, MOUSE, in_terminal


async def test_a_client_in_a_terminal_places_an_order_and_leaves_it_clean(relay: Server) -> None:
    environ = {**os.environ, "SOCKET_BLOC_URI": relay.uri}
    async with (
        SocketBloc("s-4", ClientType.SERVICEMAN, uri=relay.uri) as serviceman,
        OrdersCubit(serviceman) as received,
        in_terminal(["-m", "tui", "client", "--user", "c-17"], environ) as terminal,
    ):
        await terminal.shows("Client c-17", "● connected", "press n to place one")
        assert terminal.is_on(ALTERNATE_SCREEN)
        assert terminal.is_on(MOUSE[0])
        terminal.type("n")
        await terminal.shows("Work to be done")
        terminal.type("s-4\r")
        terminal.type("Kitchen tap drips\r")
        await terminal.shows("✓ placed: committed", "s-4's turn: accept the order")
        (order,) = received.state.by_id.values()
        await serviceman.submit(OrderStatus.of(StatusCode.ACCEPTED, order_id=order.order_id))
        await terminal.shows("YOUR TURN: start the work", "accepted by s-4")
        terminal.type("q")
        assert await terminal.ended() == 0
        assert terminal.is_restored


async def test_a_serviceman_in_a_terminal_accepts_an_order_and_leaves_it_clean(relay: Server) -> None:
    environ = {**os.environ, "SOCKET_BLOC_USER": "s-4"}
    arguments = ["-m", "tui", "serviceman", "--uri", relay.uri, "--theme", "textual-light"]
    async with (
        SocketBloc("c-17", ClientType.CLIENT, uri=relay.uri) as client,
        in_terminal(arguments, environ) as terminal,
    ):
        await terminal.shows("Serviceman s-4", "● connected", "a bell rings")
        order_id = await client.place_order("s-4", "Kitchen tap drips")
        await terminal.shows("YOUR TURN: accept the order", "[a] Accept")
        terminal.type("a")
        await terminal.shows("✓ accepted: committed", "c-17's turn: start the work")
        await client.submit(OrderStatus.of(StatusCode.STARTED, order_id=order_id))
        await terminal.shows("c-17's turn: pay", "started by c-17")
        assert b"\x07" in terminal.output  # the bell
        terminal.type("\x11")  # ctrl+q
        assert await terminal.ended() == 0
        assert terminal.is_restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, "ctrl+c"])
async def test_a_terminal_is_clean_however_the_app_is_ended(
    number: signal.Signals | str, relay: Server
) -> None:
    arguments = ["-m", "tui", "client", "--user", "c-17", "--uri", relay.uri]
    async with in_terminal(arguments, {**os.environ}) as terminal:
        await terminal.shows("● connected")
        if isinstance(number, signal.Signals):
            terminal.process.send_signal(number)
        else:
            terminal.type("\x03")
        assert await terminal.ended() == 0
        assert terminal.is_restored
        assert b"Traceback" not in terminal.output


async def test_an_app_whose_terminal_is_gone_ends_without_a_signal(relay: Server) -> None:
    arguments = ["-m", "tui", "client", "--user", "c-17", "--uri", relay.uri]
    async with in_terminal(arguments, {**os.environ}) as terminal:
        await terminal.shows("● connected")
        terminal.hang_up()
        assert await terminal.ended() == 0


STUCK = """
import sys
import tui.hangup
from tui.__main__ import main
from tui.app import RoleApp

tui.hangup.GRACE = 0.1
RoleApp.exit = lambda self: None
sys.exit(main(sys.argv[1:]))
"""


async def test_an_app_that_is_stuck_without_its_terminal_is_ended(relay: Server) -> None:
    arguments = ["-c", STUCK, "client", "--user", "c-17", "--uri", relay.uri]
    async with in_terminal(arguments, {**os.environ}) as terminal:
        await terminal.shows("● connected")
        terminal.hang_up()
        assert await terminal.ended() == 1


CRASH = """
import sys
from tui.__main__ import main
from tui.client import ClientPanel

def fail(self):
    raise ZeroDivisionError("a bug in the view")

ClientPanel.action_place_order = fail
sys.exit(main(sys.argv[1:]))
"""


async def test_a_crash_leaves_the_terminal_clean_and_shows_the_error(relay: Server) -> None:
    arguments = ["-c", CRASH, "client", "--user", "c-17", "--uri", relay.uri]
    async with in_terminal(arguments, {**os.environ}) as terminal:
        await terminal.shows("● connected")
        terminal.type("n")
        assert await terminal.ended() == 1
        assert terminal.is_restored
        assert b"a bug in the view" in terminal.output


async def test_without_colours_the_screen_has_the_same_texts(relay: Server) -> None:
    arguments = ["-m", "tui", "client", "--user", "c-17", "--uri", relay.uri]
    async with in_terminal(arguments, {**os.environ, "NO_COLOR": "1"}, size=(50, 24)) as terminal:
        await terminal.shows("● connected", "press n to place one")
        terminal.type("\x03")
        assert await terminal.ended() == 0


LOGGING = """
import logging, sys
from tui.__main__ import main
from tui.client import ClientPanel

ClientPanel.action_place_order = lambda self: (
    logging.getLogger("socket_bloc").warning("this is for a log"),
    logging.getLogger("asyncio").error("this is for a log"),
    self.notify("it was logged"),
)
sys.exit(main(sys.argv[1:]))
"""


async def test_log_records_do_not_appear_on_the_screen(relay: Server) -> None:
    arguments = ["-c", LOGGING, "client", "--user", "c-17", "--uri", relay.uri]
    async with in_terminal(arguments, {**os.environ}) as terminal:
        await terminal.shows("● connected")
        terminal.type("n")
        await terminal.shows("it was logged")
        terminal.type("q")
        assert await terminal.ended() == 0
        assert b"for a log" not in terminal.output
