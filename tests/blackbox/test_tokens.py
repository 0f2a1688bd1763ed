"""Tokens: who is let in with which, what happens when one expires, and where a secret is never seen."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.client import Client, target
from tests.blackbox.conftest import Connect, StartRelay, until
from tests.blackbox.process import RelayProcess
from tests.blackbox.test_slow_readers import NARROW, fill
from tests.blackbox.wire import HandshakeRefusedError, Headers, handshake_headers, http
from tests.blackbox.words import fresh, send_frame

SECRET = "the secret of this relay, which nobody may see"
FAR = 10_000_000_000
"""An `exp` of the year 2286."""


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def jwt(header: dict[str, Any], claims: object, secret: str = SECRET) -> str:
    """A token that is signed by HS256, whatever its header says."""
    text = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"


def token(user_id: str = "c-17", role: str = "client", **claims: Any) -> str:
    """A token for a user; with None a claim is absent."""
    claims = {"sub": user_id, "type": role, "exp": FAR, **claims}
    return jwt({"alg": "HS256"}, {name: value for name, value in claims.items() if value is not None})


def bearer(text: str) -> Headers:
    return handshake_headers(authorization=f"Bearer {text}")


@pytest.fixture
def relay(start_relay: StartRelay) -> RelayProcess:
    return start_relay(variables={"RELAY_JWT_SECRET": SECRET})


@pytest.fixture(scope="module")
def shared_relay_with_a_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    process = RelayProcess(tmp_path_factory.mktemp("relay"), variables={"RELAY_JWT_SECRET": SECRET})
    yield process
    assert process.stop() == 0
    assert process.complaints() == []


CLAIMS = {"sub": "c-17", "type": "client", "exp": FAR}
UNSIGNED = f"{part(json.dumps(CLAIMS).encode())}."


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("no-token-at-all", 401),
        ("", 401),
        ("\u00fc\u0080", 401),
        ("two tokens", 401),
        ("e30.e30.e30", 401),
        ("x" * 8000, 401),
        *((f"{part(json.dumps({'alg': alg}).encode())}.{UNSIGNED}", 401) for alg in ("none", "None", "nOnE")),
        *((jwt({"alg": alg}, CLAIMS), 401) for alg in ("HS384", "RS256", "hs256", "", None, ["HS256"])),
        (jwt({}, CLAIMS), 401),
        (jwt({"alg": "HS256"}, CLAIMS, "another secret of enough many bytes"), 401),
        (jwt({"alg": "HS256", "kid": "unknown"}, CLAIMS, "another secret of enough many bytes"), 401),
        (jwt({"alg": "HS256", "crit": ["exp"]}, CLAIMS), 401),
        (jwt({"alg": "HS256", "jku": "https://evil.example"}, CLAIMS), 401),
        (jwt({"alg": "HS256"}, ["c-17"]), 401),
        *(
            (token(exp=exp), 401)
            for exp in (None, "never", str(FAR), 10**20, float("nan"), float("inf"), True)
        ),
        (token(exp=0), 401),
        (token(exp=-FAR), 401),
        (token(nbf=FAR), 401),
        (token(iat=FAR), 401),
        (token(sub=None), 401),
        (token(sub=17), 401),
        (token("c-18"), 403),
        (token(role="serviceman"), 403),
        (token(type=None), 403),
    ],
)
def test_a_bad_token_is_refused_in_one_line_that_repeats_nothing_of_it(
    shared_relay_with_a_key: RelayProcess, text: str, status: int
) -> None:
    relay = shared_relay_with_a_key
    response = http(relay.address, "GET", target(userId="c-17", type="client"), bearer(text))
    assert response.status == status
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert response.body.count("\n") == 1
    assert not any(piece in response.body + relay.log for piece in text.split(".") if piece)


def test_a_token_lets_in_its_user_and_nobody_without_one(relay: RelayProcess) -> None:
    Client(relay.address, "client", "c-17", headers=bearer(token())).close()
    with pytest.raises(HandshakeRefusedError, match="401"):
        Client(relay.address, "client", "c-17")


def test_a_connection_is_closed_with_4001_not_before_its_token_expires_and_soon_after(
    relay: RelayProcess,
) -> None:
    expires = time.time() + 1.5
    client = Client(relay.address, "client", "c-17", headers=bearer(token(exp=expires)))
    client.submit(send_frame("PLACED", fresh("o"), receiverId="s-4"))
    assert client.close_code() == 4001
    assert expires <= time.time() <= expires + 5


def test_a_token_that_expires_also_ends_a_replay_that_nobody_reads(
    relay: RelayProcess, connect: Connect
) -> None:
    """Nothing gets through to it any more, but the log shows when it is gone."""
    writer = connect("client", "c-17", to=relay.address, headers=bearer(token()))
    fill(writer, "s-4", statuses=200)
    expires = time.time() + 1.5
    headers = bearer(token("s-4", "serviceman", exp=expires))
    stuck = Client(relay.address, "serviceman", "s-4", since=0, headers=headers, receive_buffer=NARROW)
    assert until(lambda: "disconnected: serviceman 's-4', close code 4001" in relay.log)
    assert time.time() >= expires
    stuck.close()
    again = connect(
        "serviceman", "s-4", to=relay.address, since=0, headers=bearer(token("s-4", "serviceman"))
    )
    assert [entry["seq"] for entry in again.replay()] == list(range(1, 201))


def test_a_secret_and_a_token_are_in_no_log_no_process_list_and_no_metrics(
    start_relay: StartRelay, tmp_path: Path, connect: Connect
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    relay = start_relay(jwt_secret_file=file)
    text = token()
    connect("client", "c-17", to=relay.address, headers=bearer(text)).submit(
        send_frame("PLACED", fresh("o"), receiverId="s-4")
    )
    listed = subprocess.run(["ps", "-ww", "-o", "args", "-p", str(relay.pid)], capture_output=True, text=True)
    metrics = http(relay.address, "GET", "/metrics").body
    assert "relay_committed_total" in metrics
    assert str(file) in listed.stdout
    assert not any(
        piece in listed.stdout + metrics + relay.log for piece in (SECRET, file.read_text(), *text.split("."))
    )


def test_a_relay_with_two_secrets_takes_tokens_of_both(start_relay: StartRelay, tmp_path: Path) -> None:
    files = [tmp_path / "new", tmp_path / "old"]
    for file in files:
        file.write_text(f"{SECRET} {file.name}")
    relay = start_relay(variables={"RELAY_JWT_SECRET_FILE": ":".join(map(str, files))})
    for file in files:
        headers = bearer(jwt({"alg": "HS256"}, CLAIMS, f"{SECRET} {file.name}"))
        Client(relay.address, "client", "c-17", headers=headers).close()
    with pytest.raises(HandshakeRefusedError, match="401"):
        Client(relay.address, "client", "c-17", headers=bearer(token()))
