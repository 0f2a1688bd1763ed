"""The theme that is remembered, and what all apps can do: the palette, help, and quitting."""

from __future__ import annotations

import re
from contextvars import copy_context
from pathlib import Path

import pytest
from textual.widgets import Input

from socket_bloc import ClientType, OrdersCubit, SqliteOutbox
from tests.tui.conftest import OpenApp, Running
from tests.tui.screen import until
from tui.client import ClientApp
from tui.connecting import AppBloc
from tui.settings import DEFAULT_THEME, LastTheme, default_outbox, theme_or_remembered


@pytest.mark.parametrize("content", ["", "{", "[]", '{"theme": 7}', '{"theme": "of yesterday"}', "\x00"])
def test_an_unreadable_or_unknown_theme_counts_as_none(content: str) -> None:
    assert theme_or_remembered(None) == DEFAULT_THEME
    memory = LastTheme()
    memory.write("nord")
    assert theme_or_remembered(None) == "nord"
    memory.path.write_text(content, encoding="utf-8")
    assert theme_or_remembered(None) == DEFAULT_THEME


def test_the_theme_is_saved_in_the_users_state_directory(tmp_path: Path) -> None:
    assert LastTheme().path == tmp_path / "state" / "socket-bloc" / "theme.json"


@pytest.fixture
async def client(open_app: OpenApp) -> Running:
    running = await open_app(ClientApp, "c-17")
    await running.shows("● connected", "press n to place one")
    return running


async def test_the_chosen_theme_is_saved(client: Running) -> None:
    memory = client.app._memory
    assert memory.read() is None
    await client.press("ctrl+p")
    await until(client.pilot, lambda: client.app.screen.query(Input))
    await client.type("theme")
    await client.press("enter")
    await client.shows("Search for themes")
    await client.type("textual-light")
    await client.press("enter")
    await until(client.pilot, lambda: memory.read() == "textual-light")
    assert client.app.theme == "textual-light"


async def test_a_theme_that_cannot_be_saved_shows_a_notice(client: Running) -> None:
    path = client.app._memory.path
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_text("a file where the folder should be")
    client.app.theme = "nord"
    await until(client.pilot, lambda: client.notices)
    assert client.notices[0].startswith(f"Cannot save the theme\n{path}")


async def test_the_palette_has_a_command_for_each_key(client: Running) -> None:
    await client.press("ctrl+p")
    await until(client.pilot, lambda: client.app.screen.query(Input))
    await client.type("new (n)")
    await client.shows("New (n)")
    await client.press("enter")
    await client.shows("Work to be done")


async def test_help_lists_the_keys_and_the_marks(client: Running) -> None:
    await client.press("f1")
    await client.shows("approve the extension", "committed: it is in the relay's database")
    await client.press("escape")
    await client.shows("press n to place one")


async def test_ctrl_c_copies_what_is_selected_in_a_field_instead_of_quitting(client: Running) -> None:
    await client.press("n")
    await client.shows("Work to be done")
    await client.type("s-4")
    await client.press("shift+home", "ctrl+c")
    await until(client.pilot, lambda: client.app.clipboard == "s-4")
    await client.shows("Work to be done")


@pytest.mark.parametrize(
    ("key", "is_durable", "fate"),
    [("q", True, "is sent at the next start"), ("ctrl+c", False, "is never sent")],
)
async def test_quitting_with_something_queued_asks_once_and_says_what_becomes_of_it(
    key: str, is_durable: bool, fate: str, tmp_path: Path
) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db") if is_durable else None
    uri = "ws://127.0.0.1:9/order"  # nobody is there
    bloc = AppBloc("c-17", ClientType.CLIENT, uri=uri, outbox=outbox)
    async with OrdersCubit(bloc) as orders, bloc:
        memory = LastTheme(tmp_path)
        app = ClientApp(bloc, orders, uri=uri, theme="textual-dark", memory=memory, keeps_queue=is_durable)
        async with app.run_test() as pilot:
            running = Running(pilot, app, bloc, orders, bloc.close, copy_context())
            await running.shows("reconnecting")
            await running.places("s-4", "Kitchen tap drips")
            await running.shows("1 queued")
            await running.press(key)
            await running.shows("Not yet committed: 1.", fate)
            assert app.is_running
            await running.press("n")
            await until(pilot, lambda: "Not yet" not in running.text)
            await running.press(key)
            await running.shows("Not yet committed: 1.")
            await running.press("ctrl+c")
            await until(pilot, lambda: app._exit)


CLIENT, SERVICEMAN = ClientType.CLIENT, ClientType.SERVICEMAN


def test_each_user_role_and_relay_has_an_outbox_of_its_own_whatever_the_order_of_the_addresses() -> None:
    a, b = "wss://a/order", "wss://b/order"
    files = {
        default_outbox(user, role, uris)
        for user in ("c-17", "c/17", "c_17", "C-17")
        for role in ClientType
        for uris in ([a], [b], [a, b])
    }
    assert len(files) == 24
    assert default_outbox("c-17", CLIENT, [b, a, b]) == default_outbox("c-17", CLIENT, [a, b])


@pytest.mark.parametrize("user", ["c-17", "../../etc/passwd", "钥" * 128, "." * 128, "a b:c*?", "CON"])
def test_the_name_of_an_outbox_is_a_file_name_for_any_user(user: str, tmp_path: Path) -> None:
    path = default_outbox(user, SERVICEMAN, ["ws://a/order"])
    assert path.parent == tmp_path / "state" / "socket-bloc" / "outbox"
    assert re.fullmatch(r"serviceman-[A-Za-z0-9_-]{0,24}-[0-9a-f]{16}\.db", path.name)


def test_the_name_of_an_outbox_begins_with_the_role_and_the_user() -> None:
    assert default_outbox("c-17", CLIENT, ["ws://a/order"]).name.startswith("client-c-17-")
