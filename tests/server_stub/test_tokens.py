"""Tokens at a whole relay, over the network."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from server_stub import Server, Settings, StartError, serve, server
from socket_bloc import ClientType, ConnectionRefused, SocketBloc, SocketConnectState, SocketReconnectingState
from tests.server_stub.handshake.signing import (
    OTHER_SECRET,
    SECRET,
    private_key,
    public_pem,
    token,
    written,
)
from tests.server_stub.support import send_frame


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(port=0, database=f"sqlite:///{tmp_path}/orders.db", jwt_secret=SecretBytes(SECRET))


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Server]:
    async with serve(settings) as relay:
        yield relay


def _target(relay: Server, role: str = "client") -> str:
    return f"{relay.uri}?userId=c-1&type={role}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _welcome(relay: Server, bearer: str) -> bool:
    async with connect(_target(relay), additional_headers=_bearer(bearer), proxy=None) as connection:
        return "welcome" in str(await connection.recv())


async def _refusal(relay: Server, target: str, *bearers: str) -> Response:
    headers = [("Authorization", f"Bearer {bearer}") for bearer in bearers]
    with pytest.raises(InvalidStatus) as caught:
        await connect(target, additional_headers=headers, proxy=None)
    return caught.value.response


async def test_a_user_with_a_token_is_let_in(relay: Server) -> None:
    assert await _welcome(relay, token())


async def test_keys_of_every_kind_each_verify_their_own_algorithm(settings: Settings, tmp_path: Path) -> None:
    files = [written(tmp_path / f"{kind}.pem", public_pem(kind)) for kind in ("RSA", "EC", "Ed25519")]
    update = {
        "jwt_public_key_file": tuple(files),
        "jwt_secret_file": (written(tmp_path / "secret", OTHER_SECRET),),
    }
    async with serve(settings.model_copy(update=update)) as relay:
        assert await _welcome(relay, token(private_key("RSA"), "RS256"))
        assert await _welcome(relay, token(private_key("EC"), "ES256"))
        assert await _welcome(relay, token(private_key("Ed25519"), "EdDSA"))
        assert await _welcome(relay, token(SECRET))
        assert await _welcome(relay, token(OTHER_SECRET))
        for key, algorithm in (("RSA", "RS384"), ("RSA", "PS256"), ("another RSA", "RS256")):
            bearer = token(private_key(key), algorithm)
            assert (await _refusal(relay, _target(relay), bearer)).status_code == 401


@pytest.mark.parametrize(
    ("bearers", "role", "status"),
    [
        ((), "client", 401),
        (("",), "client", 401),
        (("rubbish",), "client", 401),
        (("x" * 7000,), "client", 401),
        ((token(), token()), "client", 401),
        ((token(OTHER_SECRET),), "client", 401),
        ((token(exp=1),), "client", 401),
        ((token(exp="never"),), "client", 401),
        ((token(exp=10**20),), "client", 401),
        ((token(nbf=9e9),), "client", 401),
        ((token(iat=9e9),), "client", 401),
        ((token(sub=17),), "client", 401),
        ((token(aud="another service"),), "client", 401),
        ((token(sub="c-2"),), "client", 403),
        ((token(),), "serviceman", 403),
        ((token(type=None),), "client", 403),
        (("x" * 10_000,), "client", 431),
    ],
)
async def test_everybody_else_is_refused_in_one_line_and_nothing_of_a_token_is_repeated(
    relay: Server, caplog: pytest.LogCaptureFixture, bearers: tuple[str, ...], role: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    response = await _refusal(relay, _target(relay, role), *bearers)
    body = response.body.decode()
    assert response.status_code == status
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert body.count("\n") == 1
    told = body + "".join(record.getMessage() for record in caplog.records if record.name == "server_stub")
    assert not any(part in told for bearer in bearers for part in bearer.split(".") if part)


async def test_the_limit_of_a_user_is_checked_after_their_token(settings: Settings) -> None:
    async with (
        serve(settings.model_copy(update={"max_connections_per_user": 1})) as relay,
        connect(_target(relay), additional_headers=_bearer(token()), proxy=None),
    ):
        assert (await _refusal(relay, _target(relay))).status_code == 401
        assert (await _refusal(relay, _target(relay), token(sub="c-2"))).status_code == 403
        assert (await _refusal(relay, _target(relay), token())).status_code == 503


async def test_the_audience_is_a_setting(settings: Settings) -> None:
    async with serve(settings.model_copy(update={"jwt_audience": "orders"})) as relay:
        assert await _welcome(relay, token(aud=["orders", "payments"]))
        assert (await _refusal(relay, _target(relay), token())).status_code == 401


async def test_a_token_in_the_query_is_400_also_if_it_is_valid(relay: Server) -> None:
    response = await _refusal(relay, f"{_target(relay)}&token={token()}", token())
    assert response.status_code == 400


async def test_the_log_names_the_keys_at_the_start_and_holds_no_secret(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = written(tmp_path / "key", OTHER_SECRET)
    async with serve(settings.model_copy(update={"jwt_secret_file": (file,)})) as relay:
        await _welcome(relay, token())
        assert SECRET.decode() not in repr(vars(relay))
    assert "users need a token, signed by HS256: RELAY_JWT_SECRET\n" in caplog.text
    assert f"HS256: --jwt-secret-file (RELAY_JWT_SECRET_FILE): {file}" in caplog.text
    assert not any(secret.decode() in caplog.text for secret in (SECRET, OTHER_SECRET))


@pytest.mark.parametrize(
    "update",
    [
        {"jwt_secret": SecretBytes(b"short")},
        {"jwt_secret_file": (Path("/no/such/file"),)},
        {"jwt_public_key_file": (Path("/no/such/file"),)},
    ],
)
async def test_a_relay_with_an_unusable_key_does_not_start(
    settings: Settings, update: dict[str, Any]
) -> None:
    with pytest.raises(StartError, match=r"32 bytes|cannot be read"):
        async with serve(settings.model_copy(update=update)):
            pass
    async with serve(settings):
        pass


class WallClock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def time(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr(server, "time", clock)
    return clock


async def test_a_connection_is_closed_with_4001_when_its_token_expires(
    settings: Settings, clock: WallClock
) -> None:
    async with serve(settings) as relay:
        uri = _target(relay)
        expiring, lasting = token(exp=clock.seconds + 60), token(exp=clock.seconds + 90)
        async with (
            connect(uri, additional_headers=_bearer(expiring), proxy=None) as first,
            connect(uri, additional_headers=_bearer(lasting), proxy=None) as second,
        ):
            await first.recv()
            await second.recv()
            clock.seconds += 61
            with pytest.raises(ConnectionClosed) as caught:
                await first.recv()
            assert caught.value.rcvd == Close(4001, "the token has expired")
            await second.send(send_frame())
            assert "PLACED" in str(await second.recv())
        assert (await _refusal(relay, uri, expiring)).status_code == 401


async def test_an_expiry_during_a_shutdown_and_one_after_it_do_no_harm(
    settings: Settings, clock: WallClock
) -> None:
    async with serve(settings) as relay:
        headers = _bearer(token(exp=clock.seconds + 60))
        async with connect(_target(relay), additional_headers=headers, proxy=None) as connection:
            await connection.recv()
            clock.seconds += 61
            await relay.close()
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code in (1001, 4001)


async def test_a_bloc_whose_token_expires_asks_for_another_and_loses_nothing(
    settings: Settings, clock: WallClock
) -> None:
    issued: list[str] = []

    def issue() -> str:
        issued.append(token(exp=clock.seconds + 60))
        return issued[-1]

    async with (
        serve(settings) as relay,
        SocketBloc("c-1", ClientType.CLIENT, uri=relay.uri, token=issue) as client,
    ):
        orders = [await client.place_order("s-1", f"before {number}") for number in range(3)]
        states = client.states()
        clock.seconds += 61
        sent = asyncio.gather(*(client.place_order("s-1", f"during {number}") for number in range(20)))
        async with asyncio.timeout(30):
            reconnecting = await anext(s async for s in states if isinstance(s, SocketReconnectingState))
            connected = await anext(s async for s in states if isinstance(s, SocketConnectState))
            orders += await sent
        assert "4001" in str(reconnecting)
        assert connected.resumed
        assert len(issued) == 2
        uri = f"{_target(relay)}&since=0"
        async with connect(uri, additional_headers=_bearer(issue()), proxy=None) as reader:
            assert json.loads(await reader.recv())["head"] == 23
            feed = [json.loads(await reader.recv()) for _ in orders]
            assert {entry["orderStatus"]["orderId"] for entry in feed} == set(orders)


async def test_a_bloc_whose_token_is_refused_asks_once_more(settings: Settings) -> None:
    tokens = iter([token(exp=1), token()])
    async with (
        serve(settings) as relay,
        SocketBloc("c-1", ClientType.CLIENT, uri=relay.uri, token=lambda: next(tokens)) as client,
    ):
        async with asyncio.timeout(30):
            assert await client.place_order("s-1", "with the second token")
    assert next(tokens, None) is None


async def test_a_bloc_whose_second_token_is_refused_as_well_gives_up(settings: Settings) -> None:
    asked: list[str] = []

    def issue() -> str:
        asked.append(token(OTHER_SECRET))
        return asked[-1]

    async with (
        serve(settings) as relay,
        SocketBloc("c-1", ClientType.CLIENT, uri=relay.uri, token=issue) as client,
    ):
        async with asyncio.timeout(30):
            with pytest.raises(ConnectionRefused, match="401") as caught:
                await client.place_order("s-1", "with no token")
    assert len(asked) == 2
    assert not any(part in str(caught.value) for part in asked[0].split("."))


async def test_without_pyjwt_a_relay_with_a_key_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "server_stub.handshake.keys", None)
    with pytest.raises(StartError, match=r"^tokens need PyJWT; run: pip install 'socket-bloc\[server\]'$"):
        async with serve(settings):
            pass
