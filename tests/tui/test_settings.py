"""Where the apps' settings come from, and what is said of those that cannot be."""

from __future__ import annotations

import sys
from contextvars import copy_context
from io import StringIO
from pathlib import Path

import pytest
from textual.widgets import Input

from socket_bloc import ClientType, OrdersCubit, SocketBloc
from tests.tui.conftest import OpenApp, Running
from tests.tui.screen import until
from tui.__main__ import main
from tui.client import ClientApp
from tui.settings import AppSettings, SettingsError, Theme, read_settings

THEMES = ("textual-dark", "textual-light", "nord", "gruvbox")
DEFAULT_URI = "ws://127.0.0.1:8765/order"


def test_the_command_line_wins_over_the_environment_over_what_is_remembered(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/nowhere"}
    assert read_settings("c-17", None, None, environ, THEMES).theme == "textual-dark"
    Theme(environ).write("nord")
    assert read_settings("c-17", None, None, environ, THEMES).theme == "nord"
    environ |= {
        "SOCKET_BLOC_THEME": "gruvbox",
        "SOCKET_BLOC_USER": "c-1",
        "SOCKET_BLOC_URI": "ws://relay/order",
    }
    assert read_settings(None, None, None, environ, THEMES) == AppSettings(
        "c-1", "ws://relay/order", "gruvbox"
    )
    given = read_settings("c-17", "wss://other/order", "textual-light", environ, THEMES)
    assert given == AppSettings("c-17", "wss://other/order", "textual-light")


def test_an_unset_uri_is_the_default_one() -> None:
    assert read_settings("c-17", None, None, {"HOME": "/nowhere"}, THEMES).uri == DEFAULT_URI


@pytest.mark.parametrize("content", ["", "{", "[]", '{"theme": 7}', '{"theme": "of yesterday"}', "\x00"])
def test_a_memory_that_makes_no_sense_is_no_memory(content: str, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    memory = Theme(environ)
    memory.write("nord")
    memory.path.write_text(content, encoding="utf-8")
    assert read_settings("c-17", None, None, environ, THEMES).theme == "textual-dark"


def test_the_memory_is_below_home_where_no_configuration_folder_is_set(tmp_path: Path) -> None:
    below_home = tmp_path / ".config" / "socket-bloc" / "settings.json"
    assert Theme({"HOME": str(tmp_path)}).path == below_home
    assert Theme({"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}).path == below_home


@pytest.mark.parametrize(
    ("user", "uri", "theme", "line"),
    [
        (None, None, None, "--user (SOCKET_BLOC_USER): say who is connected"),
        ("c" * 129, None, None, "--user (SOCKET_BLOC_USER): it must have 1 to 128"),
        ("a\nb", None, None, "--user (SOCKET_BLOC_USER): it must have no control"),
        ("c-17", "http://relay", None, "--uri (SOCKET_BLOC_URI): it must be like ws://"),
        ("c-17", None, "pink", "--theme (SOCKET_BLOC_THEME): there is no 'pink'; there are textual-dark,"),
    ],
)
def test_a_setting_that_cannot_be_is_named_in_one_line(
    user: str | None, uri: str | None, theme: str | None, line: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_settings(user, uri, theme, {"HOME": "/nowhere"}, THEMES)
    assert str(refusal.value).startswith(line)
    assert "\n" not in str(refusal.value)


def test_the_command_says_in_one_line_what_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serviceman", "--user", "s-4", "--uri", "relay"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("--uri (SOCKET_BLOC_URI): it must be like")
    assert output.err.count("\n") == 1


def test_without_textual_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    assert main(["client", "--user", "c-17"]) == 2
    assert capsys.readouterr().err == "the apps need Textual: pip install 'socket-bloc[tui]'\n"


def test_without_a_terminal_the_command_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert main(["client", "--user", "c-17"]) == 2
    assert capsys.readouterr().err.startswith("the apps need a terminal;")


@pytest.fixture
async def client(open_app: OpenApp) -> Running:
    running = await open_app(ClientApp, "c-17")
    await running.shows("● connected", "press n to place one")
    return running


async def test_the_theme_that_is_chosen_is_remembered(client: Running) -> None:
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


async def test_a_theme_that_cannot_be_remembered_is_told(client: Running) -> None:
    path = client.app._memory.path
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_text("a file where the folder should be")
    client.app.theme = "nord"
    await until(client.pilot, lambda: client.notices)
    assert client.notices[0].startswith(f"The theme is not remembered\n{path}")


async def test_the_palette_has_a_command_for_each_key(client: Running) -> None:
    await client.press("ctrl+p")
    await until(client.pilot, lambda: client.app.screen.query(Input))
    await client.type("new (n)")
    await client.shows("New (n)")
    await client.press("enter")
    await client.shows("What is to be done")


async def test_help_lists_the_keys_and_the_marks(client: Running) -> None:
    await client.press("f1")
    await client.shows("approve the extension", "committed: it is in the relay's database")
    await client.press("escape")
    await client.shows("press n to place one")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_who_leaves_with_something_queued_is_asked_once(key: str, tmp_path: Path) -> None:
    bloc = SocketBloc("c-17", ClientType.CLIENT, uri="ws://127.0.0.1:9/order")  # nobody is there
    async with OrdersCubit(bloc) as orders, bloc:
        memory = Theme({"HOME": str(tmp_path)})
        app = ClientApp(bloc, orders, uri="ws://127.0.0.1:9/order", theme="textual-dark", memory=memory)
        async with app.run_test() as pilot:
            running = Running(pilot, app, bloc, orders, bloc.close, copy_context())
            await running.shows("reconnecting")
            await running.places("s-4", "Kitchen tap drips")
            await running.shows("1 queued")
            await running.press(key)
            await running.shows("Not yet committed: 1.")
            assert app.is_running
            await running.press("n")
            await until(pilot, lambda: "Not yet" not in running.text)
            await running.press(key)
            await running.shows("Not yet committed: 1.")
            await running.press("ctrl+c")
            await until(pilot, lambda: app._exit)
