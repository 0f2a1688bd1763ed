"""The keys, buttons and focus of a panel; two panels in one app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Footer, Static

from server_stub import Server
from socket_bloc import (
    ClientType,
    OrdersCubit,
    OrderStatus,
    SocketBloc,
    SocketConnectState,
    SocketDataQueuedState,
    SocketDataSentState,
    SocketDisconnectState,
    SocketReceiveDataState,
    SocketReconnectingState,
    SocketRefusedState,
    StatusCode,
)
from tests.tui.conftest import OpenApp, Running
from tests.tui.screen import listeners, text_of, until, until_shown
from tui.app import RoleApp
from tui.client import ClientApp, ClientPanel
from tui.serviceman import ServicemanApp, ServicemanPanel
from tui.widgets import notices
from tui.widgets.action_bar import ActionBar
from tui.widgets.badge import ConnectionBadge
from tui.widgets.order_list import OrderList

AT = datetime(2026, 11, 22, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
async def client(open_app: OpenApp) -> Running:
    running = await open_app(ClientApp, "c-17")
    await running.shows("● connected", "press n to place one")
    return running


@pytest.mark.parametrize(("kind", "user"), [(ClientApp, "c-17"), (ServicemanApp, "s-4")])
async def test_every_key_that_is_refused_says_why(kind: type[RoleApp], user: str, open_app: OpenApp) -> None:
    running = await open_app(kind, user)
    await running.shows("● connected")
    for binding in kind.PANEL.BINDINGS:
        action = str(getattr(binding, "action", ""))
        if action.startswith("send"):
            before = len(running.notices)
            await running.press(str(getattr(binding, "key", "")))
            await until(running.pilot, lambda before=before: len(running.notices) > before)
            assert "not now\nno order selected" in running.notices[-1]


async def test_a_key_at_the_wrong_time_says_why_and_whose_turn_it_is(client: Running) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✓ placed: committed")
    await client.press("p")
    await until(client.pilot, lambda: client.notices)
    assert client.notices == ["Pay: not now\nonce started or extended\n◷ s-4's turn: accept the order"]


async def test_a_button_that_becomes_dimmed_keeps_the_focus_and_the_keys_still_work(client: Running) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✓ placed: committed")
    button = client.app.query(Button).last()
    button.focus()
    await client.press("enter")
    await client.shows("This cannot be undone")
    await client.press("y")
    await client.shows("ENDED")
    assert client.app.focused is button
    await client.press("enter")
    await until(client.pilot, lambda: any("the order is cancelled" in notice for notice in client.notices))
    await client.press("n")
    await client.shows("Work to be done")


async def test_a_click_does_the_same_as_a_key(client: Running) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("[x] Cancel")
    button = client.app.query(Button).last()
    await client.click(button)
    await client.shows("This cannot be undone")
    await client.click("#yes")
    await client.shows("✓ cancelled: committed")


async def test_a_form_can_be_cancelled_by_a_click(client: Running) -> None:
    await client.press("n")
    await client.shows("Work to be done")
    await client.click("#cancel")
    await client.shows("press n to place one")
    assert client.orders.state.by_id == {}


async def test_keys_work_after_a_click_on_an_empty_place(client: Running) -> None:
    await client.click(".turn")
    await client.press("n")
    await client.shows("Work to be done")


@pytest.mark.parametrize(
    ("serviceman", "problem"), [("", "Enter the id of a serviceman"), ("c-17", "must go to another user")]
)
async def test_an_order_that_cannot_be_placed_says_why_and_is_not_sent(
    client: Running, serviceman: str, problem: str
) -> None:
    await client.places(serviceman, "Kitchen tap drips")
    await client.shows(problem)
    await client.press("escape")
    await client.shows("press n to place one")
    assert client.orders.state.by_id == {}


async def test_users_texts_are_neither_markup_nor_controls(client: Running, open_app: OpenApp) -> None:
    client.bloc.send_order_status(
        OrderStatus.of(
            StatusCode.PLACED,
            order_id="[o",
            receiver_id="[b]s",
            message="[red]tap[/red]\x1b[2J\n[/] \u202edrips",
        )
    )
    await client.shows("[red]tap[/red] [2J [/] drips", "[b]s's turn", "[o ·")
    serviceman = await open_app(ServicemanApp, "[b]s")
    await serviceman.shows("Serviceman [b]s", "[red]tap[/red] [2J [/] drips", "Your turn: accept")
    await serviceman.press("a")
    await serviceman.shows("✓ accepted")
    await client.press("x")
    await client.shows("This cannot be undone")


async def test_a_status_that_arrives_during_a_dialog_is_taken_into_account(
    client: Running, relay: Server, open_app: OpenApp
) -> None:
    serviceman = await open_app(ServicemanApp, "s-4")
    await client.places("s-4", "Kitchen tap drips")
    await serviceman.shows("[a] Accept")
    await serviceman.press("a")
    await client.shows("[s] Start")
    await client.press("s")
    await serviceman.shows("[e] Extend")
    await serviceman.press("e")
    await serviceman.shows("Ask for an extension")
    await client.press("p")
    await until(serviceman.pilot, lambda: "PAYMENT" in str(serviceman.orders.state.by_id))
    await serviceman.type("30")
    await serviceman.press("enter")
    await until(serviceman.pilot, lambda: any("Extend: not now" in notice for notice in serviceman.notices))
    assert "ORDER_CHANGED" not in str(serviceman.orders.state.by_id)


async def test_an_app_that_has_quit_does_not_listen_any_more(client: Running) -> None:
    assert listeners(client.orders) > 0
    await client.leave()
    assert listeners(client.orders) == 0
    assert listeners(client.bloc) == 1  # the orders themselves


class SideBySide(App[None]):
    """Two panels, each with a bloc of its own, as in the demo."""

    CSS = "RolePanel { width: 1fr; } SideBySide > Screen > Horizontal > Static { width: 20; }"

    def __init__(self, *panels: Any) -> None:
        super().__init__()
        self.panels = panels

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self.panels[0]
            yield Static("the sequence", id="sequence")
            yield self.panels[1]
        yield Footer()


async def test_in_an_app_with_two_panels_each_key_goes_to_the_focused_one(relay: Server) -> None:
    client = SocketBloc("c-17", ClientType.CLIENT, uri=relay.uri)
    serviceman = SocketBloc("s-4", ClientType.SERVICEMAN, uri=relay.uri)
    async with OrdersCubit(client) as placed, OrdersCubit(serviceman) as received, client, serviceman:
        app = SideBySide(ClientPanel(client, placed), ServicemanPanel(serviceman, received))
        async with app.run_test(size=(140, 34), notifications=True) as pilot:
            await until_shown(pilot, "press n to place one")
            await client.place_order("s-4", "Kitchen tap drips")
            await until_shown(pilot, "s-4's turn: accept", "YOUR TURN: accept the order")
            app.query_one(ServicemanPanel).query_one(OrderList).focus()
            await pilot.press("a")
            await until_shown(pilot, "c-17's turn: start", "YOUR TURN: start the work")
            app.query_one(ClientPanel).query_one(OrderList).focus()
            await pilot.press("s")
            await until_shown(pilot, "YOUR TURN: pay", "c-17's turn: pay")
            assert "-wide" not in app.query_one(ClientPanel).classes


@pytest.fixture
async def quiet() -> Any:
    """A bloc without a connection, for which a test emits states."""
    bloc = SocketBloc("c-17", ClientType.CLIENT)
    async with OrdersCubit(bloc) as orders:
        yield bloc, orders
    await bloc.close()


async def test_each_state_of_the_connection_is_shown(quiet: tuple[SocketBloc, OrdersCubit]) -> None:
    bloc, orders = quiet
    now = AT
    panel = ClientPanel(bloc, orders, clock=lambda: now)
    app = SideBySide(panel, Static())
    async with app.run_test(size=(140, 30)) as pilot:
        badge = app.query_one(ConnectionBadge)

        def said() -> str:
            return str(badge.content)

        await until(pilot, lambda: said() == "○ offline")
        bloc.emit(SocketConnectState(resumed=True, epoch="e"))
        await until(pilot, lambda: said() == "● connected")
        bloc.emit(SocketReconnectingState(2, AT + timedelta(seconds=3), "lost"))
        await until(pilot, lambda: said() == "◐ reconnecting in 3 s (attempt 2)")
        now = AT + timedelta(seconds=1)
        await until(pilot, lambda: said() == "◐ reconnecting in 2 s (attempt 2)")  # by its own second hand
        status = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4")
        bloc.emit(SocketDataQueuedState(status, "m-1"))
        await until(pilot, lambda: said().endswith("· 1 queued"))
        bloc.emit(SocketRefusedState("HTTP 403: not you"))
        await until(pilot, lambda: said() == "✗ refused: HTTP 403: not you · 1 queued")
        bloc.emit(SocketDisconnectState())
        await until(pilot, lambda: said() == "○ offline · 1 queued")


async def test_a_panel_that_comes_late_sees_the_connection_at_once(client: Running) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✓ placed: committed")
    assert isinstance(client.bloc.state, SocketDataSentState)
    app = SideBySide(ClientPanel(client.bloc, client.orders), Static())
    async with app.run_test(size=(140, 30)) as pilot:
        await until(pilot, lambda: str(app.query_one(ConnectionBadge).content) == "● connected")


async def test_an_action_is_shown_as_sent_until_its_outcome_is_known(
    quiet: tuple[SocketBloc, OrdersCubit], monkeypatch: pytest.MonkeyPatch
) -> None:
    bloc, orders = quiet
    monkeypatch.setattr(bloc, "add", lambda event: None)  # on its way, and no answer yet
    panel = ClientPanel(bloc, orders, clock=lambda: AT)
    app = SideBySide(panel, Static())
    async with app.run_test(size=(140, 30)) as pilot:
        await until_shown(pilot, "press n to place one")
        status = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", sender_id="c-17")
        panel.send(status)
        await until_shown(pilot, "→ placed: sent, not yet committed", "→ sent      placed", "s-4 · sent")
        (message_id,) = orders.state.get("o-1").in_flight
        bloc.emit(SocketDataSentState(status, message_id, 1, AT))
        await until_shown(pilot, "✓ placed: committed 10:01:12", "✓ 10:01:12  placed")
        assert "→" not in text_of(app)


async def test_a_status_that_is_not_allowed_shows_why_and_the_app_goes_on(client: Running) -> None:
    panel = client.app.query_one(ClientPanel)
    panel.send(OrderStatus.of(StatusCode.ACCEPTED, order_id="o-1"))
    await client.shows("✗ accepted: not sent: order_status_as_int: ACCEPTED is sent by the serviceman")
    await until(client.pilot, lambda: client.notices)
    assert client.notices[0].startswith("accepted: not sent")
    await client.bloc.close()
    panel.send(OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4"))
    await client.shows("✗ placed: not sent: this bloc is closed")
    assert client.orders.state.by_id == {}


async def test_a_slow_replay_is_one_notice_about_the_orders_that_still_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "QUIET", 1.0)
    bloc = SocketBloc("s-4", ClientType.SERVICEMAN)
    async with OrdersCubit(bloc) as orders:
        app = SideBySide(ServicemanPanel(bloc, orders, clock=lambda: AT), Static())
        async with app.run_test(size=(140, 30), notifications=True) as pilot:

            def receive(seq: int, order_id: str, code: StatusCode) -> None:
                status = OrderStatus.of(code, order_id=order_id, sender_id="c-17", message=order_id)
                bloc.emit(SocketReceiveDataState(status, f"m-{seq}", seq, AT))

            receive(1, "one", StatusCode.PLACED)
            await until_shown(pilot, "1 of 1 your turn")
            receive(2, "two", StatusCode.PLACED)
            await until_shown(pilot, "2 of 2 your turn")
            receive(3, "two", StatusCode.CANCELLED)
            await until_shown(pilot, "1 of 1 your turn")
            assert not app._notifications
            await until(pilot, lambda: app._notifications)
            assert [notice.message for notice in app._notifications] == ["c-17: one"]
    await bloc.close()


async def test_a_list_that_grows_and_is_sorted_again_keeps_the_selection(
    quiet: tuple[SocketBloc, OrdersCubit],
) -> None:
    bloc, orders = quiet
    app = SideBySide(ClientPanel(bloc, orders, clock=lambda: AT), Static())
    async with app.run_test(size=(140, 30)) as pilot:
        seq = 0

        def place(order_id: str) -> None:
            nonlocal seq
            seq += 1
            status = OrderStatus.of(
                StatusCode.PLACED, order_id=order_id, receiver_id="s-4", sender_id="c-17", message=order_id
            )
            bloc.emit(SocketDataSentState(status, f"m-{seq}", seq, AT))

        for number in range(20):
            place(f"order-{number}")
        await until_shown(pilot, "· order-0")
        app.query_one(OrderList).focus()
        await pilot.press("home", "down", "down")
        await until_shown(pilot, "· order-17")
        for number in range(20, 40):
            place(f"order-{number}")
        accepted = OrderStatus.of(
            StatusCode.ACCEPTED, order_id="order-3", sender_id="s-4", receiver_id="c-17"
        )
        bloc.emit(SocketReceiveDataState(accepted, "m-a", seq + 1, AT))
        await until_shown(pilot, "1 of 40 your turn", "· order-17")
        listed = app.query_one(OrderList)
        assert listed.selected is not None
        assert listed.selected.order_id == "order-17"
        assert listed.items[0].order_id == "order-3"


async def test_a_move_of_the_cursor_is_not_undone_by_a_status_that_arrives_meanwhile(
    quiet: tuple[SocketBloc, OrdersCubit],
) -> None:
    bloc, orders = quiet
    panel = ClientPanel(bloc, orders, clock=lambda: AT)
    app = SideBySide(panel, Static())
    chosen: list[str] = []
    async with app.run_test(size=(140, 30)) as pilot:
        for seq, order_id in enumerate(("one", "two", "three"), 1):
            status = OrderStatus.of(StatusCode.PLACED, order_id=order_id, receiver_id="s-4", sender_id="c-17")
            bloc.emit(SocketDataSentState(status, order_id, seq, AT))
        await until_shown(pilot, "one ·")
        choose = panel.choose
        panel.choose = lambda order_id: (chosen.append(str(order_id)), choose(order_id))[1]  # type: ignore[method-assign]
        app.query_one(OrderList).action_move(-1)
        panel._show(orders.state)  # what an arriving status does, before the move is handled
        await until(pilot, lambda: chosen)
        await pilot.pause()
        assert chosen == ["two"]
        assert panel.chosen is not None
        assert panel.chosen.order_id == "two"


async def test_a_key_with_nothing_to_do_says_so(client: Running) -> None:
    await client.press("h", "r")
    await until(client.pilot, lambda: len(client.notices) == 2)
    assert "No order has ended yet" in client.notices[0]
    assert "Already connected" in client.notices[1]


async def test_an_unfocused_terminal_does_not_make_the_action_bar_stale(client: Running) -> None:
    client.app.app_focus = False  # Textual's footer is not updated from here on
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("[x] Cancel")
    assert "[x] Cancel" in text_of(client.app)
    assert len(client.app.query(ActionBar)) == 1
