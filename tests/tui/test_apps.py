"""The two apps over a real relay, used only with the keys."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server_stub import Server, serve
from tests.tui.conftest import OpenApp, Running, relay_settings
from tests.tui.screen import until
from tui.client import ClientApp
from tui.serviceman import ServicemanApp


@pytest.fixture
async def client(open_app: OpenApp) -> Running:
    running = await open_app(ClientApp, "c-17")
    await running.shows("● connected", "press n to place one")
    return running


@pytest.fixture
async def serviceman(open_app: OpenApp) -> Running:
    running = await open_app(ServicemanApp, "s-4")
    await running.shows("● connected", "a bell rings")
    return running


async def test_a_whole_order_by_the_keys(client: Running, serviceman: Running) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✓ placed: committed", "s-4's turn: accept the order")
    await serviceman.shows("YOUR TURN: accept the order", "[a] Accept", "Kitchen tap drips")
    await serviceman.press("a")
    await serviceman.shows("✓ accepted: committed", "c-17's turn: start the work")
    await client.shows("YOUR TURN: start the work", "accepted by s-4")
    await client.press("s")
    await client.shows("✓ started: committed", "YOUR TURN: pay")
    await serviceman.shows("c-17's turn: pay", "[e] Extend")
    await serviceman.press("e")
    await serviceman.shows("Ask for an extension")
    await serviceman.type("30 minutes")
    await serviceman.press("enter")
    await client.shows("YOUR TURN: approve the extension", "30 minutes")
    await client.press("a")
    await serviceman.shows("extended by c-17")
    await client.press("p")
    await serviceman.shows("YOUR TURN: verify the payment")
    await serviceman.press("v")
    await client.shows("YOUR TURN: complete the order", "payment verified by s-4")
    await client.press("c")
    await client.shows("ENDED: the order is completed", "✓ completed: committed")
    await serviceman.shows("ENDED: the order is completed", "completed by c-17")


async def test_a_cancelled_order_by_the_keys_only_after_a_confirmation(
    client: Running, serviceman: Running
) -> None:
    await client.places("s-4", "The fan is noisy")
    await serviceman.shows("YOUR TURN: accept the order")
    await serviceman.press("a")
    await client.shows("YOUR TURN: start the work")
    await client.press("x")
    await client.shows("Cancel the order? This cannot be undone")
    await client.press("enter")  # the focus is on keeping it
    await client.shows("YOUR TURN: start the work")
    await client.press("x")
    await client.shows("This cannot be undone")
    await client.press("y")
    await client.shows("ENDED: the order is cancelled")
    await serviceman.shows("ENDED: the order is cancelled", "cancelled by c-17")
    assert [len(order.entries) for order in client.orders.state.by_id.values()] == [3]


async def test_orders_that_wait_for_the_user_are_listed_first(client: Running, serviceman: Running) -> None:
    for message in ("first", "second", "third"):
        await client.places("s-4", message)
        await client.shows(f"· {message}", "✓ placed: committed")
    await serviceman.shows("3 of 3 your turn")
    await serviceman.press("end")
    await serviceman.shows("· first")
    await serviceman.press("a")
    await serviceman.shows("2 of 3 your turn", "c-17's turn: start the work")
    rows = [line.split()[1] for line in serviceman.text.splitlines() if line.startswith(("▶", "◷"))]
    assert rows[:2] == ["third", "second"]
    assert "first" in rows[2:]
    await client.shows("1 of 3 your turn")
    await client.press("home")
    await client.shows("YOUR TURN: start the work", "· first")


async def test_an_action_without_a_connection_is_queued_and_sent_once_later(
    client: Running, serviceman: Running, relay: Server, tmp_path: Path
) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await serviceman.shows("YOUR TURN: accept the order")
    port = urlsplit(relay.uri).port or 0
    relay.abort()
    await serviceman.shows("reconnecting in", "(attempt ")  # the first wait may be too short to be drawn
    await serviceman.press("a")
    await serviceman.shows("1 queued", "◷ accepted: queued", "◷ queued    accepted")
    await serviceman.press("a")
    await until(serviceman.pilot, lambda: any("Accept: not now" in notice for notice in serviceman.notices))
    async with serve(relay_settings(tmp_path, port)):
        for app in (serviceman, client):
            await app.press("r")
            await app.shows("● connected", "accepted")
        await serviceman.shows("✓ accepted: committed", "c-17's turn: start the work")
        assert "queued" not in serviceman.text
        await client.shows("YOUR TURN: start the work")
        (order,) = client.orders.state.by_id.values()
        assert [entry.order_status.order_status_as_string for entry in order.entries] == [
            "PLACED",
            "ACCEPTED",
        ]


async def test_a_rejected_action_shows_the_relays_reason_and_changes_nothing(
    client: Running, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await open_app(ClientApp, "c-18")
    await other.shows("● connected")
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✓ placed: committed")
    (taken,) = client.orders.state.by_id
    monkeypatch.setattr(other.app.query_one(ClientApp.PANEL), "_new_id", lambda: taken)
    await other.places("s-4", "Whose is it?")
    await other.shows("✗ placed: rejected: order", "exists already")
    assert any("placed: rejected" in notice and "exists already" in notice for notice in other.notices)
    await other.shows("press n to place one")
    assert other.orders.state.by_id == {}


async def test_a_refused_connection_shows_why_and_a_key_tries_again(open_app: OpenApp, relay: Server) -> None:
    client = await open_app(ClientApp, "c-17", uri=relay.uri.replace("/order", "/orders"))
    await client.shows("Client c-17", "✗ refused: HTTP 404")
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✗ placed: not sent: no connection; press r")
    await client.press("r")
    await client.shows("Client c-17", "✗ refused: HTTP 404")


async def test_a_new_order_rings_a_bell_and_shows_a_notice(
    client: Running, serviceman: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[str] = []
    monkeypatch.setattr(serviceman.app, "bell", lambda: rings.append("ding"))
    await client.places("s-4", "Kitchen tap drips")
    await until(serviceman.pilot, lambda: serviceman.notices)
    assert serviceman.notices == ["Your turn: accept the order\nc-17: Kitchen tap drips"]
    assert rings == ["ding"]


async def test_orders_that_were_waiting_before_are_one_notice(client: Running, open_app: OpenApp) -> None:
    for message in ("first", "second"):
        await client.places("s-4", message)
        await client.shows("✓ placed: committed")
    await until(client.pilot, lambda: len(client.orders.state.by_id) == 2)
    serviceman = await open_app(ServicemanApp, "s-4")
    await until(serviceman.pilot, lambda: serviceman.notices)
    (notice,) = serviceman.notices
    assert notice.startswith("2 orders wait for you\n")


async def test_ended_orders_are_history_and_are_there_after_a_restart(
    client: Running, open_app: OpenApp
) -> None:
    await client.places("s-4", "Kitchen tap drips")
    await client.shows("✓ placed: committed")
    await client.press("x")
    await client.shows("This cannot be undone")
    await client.press("y")
    await client.shows("✓ cancelled: committed")
    again = await open_app(ClientApp, "c-17")
    await again.shows("0 of 0 your turn · h: 1 ended")
    assert "Kitchen tap drips" not in again.text
    await again.press("h", "down")
    await again.shows("■ Kitchen tap drips", "ENDED: the order is cancelled", "h: hide ended")
    await again.press("h")
    await again.shows("h: 1 ended")
