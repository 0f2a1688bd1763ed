"""What an app connects with: its token, the certificates it trusts, its outbox; and what it says of them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from server_stub import Server, Settings, serve
from socket_bloc import (
    ClientType,
    ConnectionState,
    MemoryOutbox,
    OrderStatus,
    OutboxError,
    SocketConnectEvent,
    SocketConnectState,
    SqliteOutbox,
    StatusCode,
)
from tests.certificates import AUTHORITY, issue
from tests.tui.conftest import OpenApp, relay_settings
from tests.tui.screen import until
from tests.tui.terminal import in_terminal
from tui.client import ClientApp
from tui.connecting import AppBloc, TokenFile, TokenFileError, open_bloc, open_outbox, trust
from tui.serviceman import ServicemanApp
from tui.settings import AppSettings, default_outbox

SECRET = "0123456789abcdef0123456789abcdef"
NOWHERE = "ws://127.0.0.1:9/order"
PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="Kitchen tap drips")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"


def test_a_token_file_is_read_again_at_each_call_without_its_final_line_feed(token_file: Path) -> None:
    token = TokenFile(token_file)
    token_file.write_text("one\n")
    assert token() == "one"
    token_file.write_text("two")
    assert token() == "two"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.write_text(""), "it is empty"),
        (lambda path: path.write_text("\n"), "it is empty"),
        (lambda path: path.write_text("schlüssel"), "it is not ASCII text"),
        (lambda path: path.mkdir(), "it is not a regular file"),
        (os.mkfifo, "it is not a regular file"),
    ],
)
def test_a_file_without_a_token_says_why_and_repeats_nothing_of_it(
    make: Callable[[Path], object], reason: str, token_file: Path
) -> None:
    make(token_file)
    with pytest.raises(TokenFileError) as raised:
        TokenFile(token_file)()
    assert str(raised.value) == f"--token-file: {token_file}: {reason}; it is read again at the next attempt"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="File name too long; it is read again"):
        TokenFile(tmp_path / ("x" * 300))()


async def test_a_missing_token_is_told_and_the_file_is_read_again(
    open_app: OpenApp, tmp_path: Path, token_file: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    settings = Settings(port=0, database=f"sqlite:///{tmp_path}/with-tokens.db", jwt_secret_file=(secret,))
    async with serve(settings) as relay:
        client = await open_app(ClientApp, "c-17", uri=relay.uri, token=TokenFile(token_file))
        await client.shows("(attempt 2)")
        (notice,) = client.notices  # and not one for each attempt
        assert notice.startswith(
            f"A problem with the connection\n--token-file: {token_file}: there is no such"
        )
        write_token(token_file, "c-17")
        await client.press("r")
        await client.shows("● connected")
        assert client.bloc.problem.state == ""
        await client.leave()


def write_token(path: Path, user: str) -> None:
    claims = {"sub": user, "type": "client", "exp": 32503680000}
    path.write_text(jwt.encode(claims, SECRET, algorithm="HS256") + "\n")


def test_only_the_given_certificates_are_trusted(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    context = trust(ca_file)
    assert [dict(item for (item,) in ca["subject"])["organizationName"] for ca in context.get_ca_certs()]
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED


async def test_an_app_connects_with_tls_to_a_relay_whose_authority_it_is_given(
    open_app: OpenApp, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    chain, key = issue(tmp_path)
    settings = Settings(port=0, database=f"sqlite:///{tmp_path}/tls.db", tls_cert=chain, tls_key=key)
    async with serve(settings) as relay:
        client = await open_app(ClientApp, "c-17", uri=relay.uri, ssl=trust(ca_file))
        await client.shows("● connected")
        stranger = await open_app(ClientApp, "c-18", uri=relay.uri)
        await stranger.shows("✗ refused", "certificate")
        await client.leave()
        await stranger.leave()


def test_the_directory_of_an_outbox_is_created_for_its_user_alone(tmp_path: Path) -> None:
    path = default_outbox("c-17", ClientType.CLIENT, [NOWHERE])
    outbox = open_outbox(path)
    assert isinstance(outbox, SqliteOutbox)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    outbox.close()
    assert isinstance(open_outbox(None), MemoryOutbox)


def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match=f"^cannot create {tmp_path}/file/outbox for the outbox: Not a dir"):
        open_outbox(tmp_path / "file" / "outbox" / "x.db")


def settings_of(user: str, outbox: Path | None) -> AppSettings:
    return AppSettings(user, (NOWHERE,), "textual-dark", outbox)


async def test_the_outbox_of_another_user_is_refused_and_stays_free_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    await open_bloc(settings_of("c-17", path), ClientType.CLIENT).close()
    with pytest.raises(ValueError, match="belongs to another user"):
        open_bloc(settings_of("c-18", path), ClientType.CLIENT)
    await open_bloc(settings_of("c-17", path), ClientType.CLIENT).close()


async def test_what_an_app_has_queued_is_shown_after_a_restart_and_sent_once(
    open_app: OpenApp, relay: Server, tmp_path: Path
) -> None:
    def outbox() -> dict[str, Any]:
        return {"outbox": SqliteOutbox(tmp_path / "outbox.db")}

    first = await open_app(ClientApp, "c-17", uri=NOWHERE, **outbox())
    await first.shows("reconnecting")
    await first.places("s-4", "Kitchen tap drips")
    await first.shows("1 queued")
    await first.leave()
    await first.bloc.close()
    second = await open_app(ClientApp, "c-17", uri=NOWHERE, **outbox())
    await second.shows("1 queued", "◷ queued    placed", "◷ placed: queued; sent once connected")
    await second.leave()
    await second.bloc.close()
    third = await open_app(ClientApp, "c-17", **outbox())
    await third.shows("● connected", "✓ placed: committed", "s-4's turn: accept the order")
    serviceman = await open_app(ServicemanApp, "s-4")
    await serviceman.shows("1 of 1 your turn")
    (order,) = serviceman.orders.state.by_id.values()
    assert len(order.entries) == 1


async def test_the_rejection_of_what_an_earlier_process_queued_is_shown(
    open_app: OpenApp, relay: Server, tmp_path: Path
) -> None:
    other = await open_app(ClientApp, "c-18")
    await other.shows("● connected")
    other.bloc.send_order_status(PLACED)
    await other.shows("s-4's turn")
    bloc = AppBloc("c-17", ClientType.CLIENT, uri=NOWHERE, outbox=SqliteOutbox(tmp_path / "outbox.db"))
    async with bloc:
        bloc.send_order_status(PLACED)
    client = await open_app(ClientApp, "c-17", outbox=SqliteOutbox(tmp_path / "outbox.db"))
    await client.shows("✗ placed: rejected: order o-1 exists already")


async def test_a_full_outbox_is_told_and_the_app_goes_on(open_app: OpenApp, tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db", limit=1)
    client = await open_app(ClientApp, "c-17", uri=NOWHERE, outbox=outbox)
    await client.shows("reconnecting")
    await client.places("s-4", "first")
    await client.shows("1 queued")
    await client.places("s-4", "second")
    await client.shows("✗ placed: not sent: the outbox", "which is its limit")
    assert [order.message for order in client.orders.state.by_id.values()] == ["first"]


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda path: path.write_text("something else"), "is not an outbox; it was left as it is: choose"),
        (lambda path: path.mkdir(), "outbox.db: Is a directory"),
        (lambda path: open_outbox(path), "is open already, here or in another process; close that one first"),
    ],
)
async def test_an_outbox_that_cannot_be_opened_is_one_line_before_the_screen(
    damage: Callable[[Path], Any], line: str, tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    opened = damage(path)
    arguments = ["-m", "tui", "client", "--user", "c-17", "--uri", NOWHERE, "--outbox", str(path)]
    async with in_terminal(arguments, {**os.environ}, size=(400, 24)) as terminal:
        assert await terminal.ended() == 1
        assert terminal.output.count(b"\n") == 1
        assert line.encode() in terminal.output
        assert terminal.output.endswith(b", or start with --outbox memory\r\n")
    if isinstance(opened, SqliteOutbox):
        opened.close()


async def test_a_key_shows_the_connection_as_it_is_and_copies_it(open_app: OpenApp, tmp_path: Path) -> None:
    client = await open_app(ClientApp, "c-17", uri=NOWHERE, token="a.secret.token")
    await client.shows("reconnecting")
    await client.press("i")
    await client.shows("client c-17: ", f"relay: {NOWHERE}", "unsettled: none")
    client.bloc.send_order_status(PLACED)
    await client.shows("unsettled: 1, the oldest for")
    await client.press("c")
    await until(client.pilot, lambda: client.app.clipboard)
    assert "last loss: " in client.app.clipboard
    assert "secret" not in client.text + client.app.clipboard
    await client.press("i")
    await until(client.pilot, lambda: "unsettled" not in client.text)


async def test_the_shown_connection_follows_the_bloc(
    open_app: OpenApp, relay: Server, tmp_path: Path
) -> None:
    client = await open_app(ClientApp, "c-17")
    await client.shows("● connected")
    await client.press("i")
    await client.shows("client c-17: live")
    port = urlsplit(relay.uri).port
    await relay.close()
    await until(client.pilot, lambda: "client c-17: live" not in client.text)
    async with serve(relay_settings(tmp_path, port or 0)):
        client.bloc.add(SocketConnectEvent())
        await client.shows("client c-17: live")
        assert client.bloc.connection.state is ConnectionState.LIVE
        await client.leave()


async def test_a_problem_is_over_with_the_next_connection() -> None:
    bloc = AppBloc("c-17", ClientType.CLIENT)
    bloc.on_error(ZeroDivisionError())
    assert bloc.problem.state == "ZeroDivisionError"
    bloc.on_error(ValueError("no token"))
    assert bloc.problem.state == "no token"
    bloc.emit(SocketConnectState(resumed=True, epoch="e"))
    assert bloc.problem.state == ""
    await bloc.close()
