"""Tokens at a whole relay, over the network."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from server_stub import Server, Settings, StartError, serve
from tests.server_stub.handshake.signing import (
    OTHER_SECRET,
    SECRET,
    private_key,
    public_pem,
    token,
    written,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(port=0, database=f"sqlite:///{tmp_path}/orders.db", jwt_secret=SecretBytes(SECRET))


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Server]:
    async with serve(settings) as relay:
        yield relay


def _target(relay: Server, role: str = "client") -> str:
    return f"{relay.uri}?userId=c-1&type={role}"


async def _welcome(relay: Server, bearer: str) -> bool:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with connect(_target(relay), additional_headers=headers, proxy=None) as connection:
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


async def test_without_pyjwt_a_relay_with_a_key_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "server_stub.handshake.keys", None)
    with pytest.raises(StartError, match=r"^tokens need PyJWT; run: pip install 'socket-bloc\[server\]'$"):
        async with serve(settings):
            pass
