from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server_stub.handshake.keys import load_keys
from server_stub.handshake.tokens import TokenVerifier
from server_stub.token_command import run
from tests.server_stub.handshake.signing import OTHER_SECRET, SECRET, public_pem, written

USER = ("--user", "c-17", "--type", "client")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "secret", SECRET + b"\n")


@pytest.fixture
def claims(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs the command; returns the claims of the one line that it prints, if `secret` has signed it."""

    def claims(*argv: str, secret: bytes = SECRET) -> dict[str, Any]:
        assert run([*USER, *argv]) == 0
        output, errors = capsys.readouterr()
        assert (errors, output.count("\n")) == ("", 1)
        (key,) = load_keys((), (), secret)
        payload = key.payload(output.removesuffix("\n"))
        assert payload is not None
        return json.loads(payload)

    return claims


def test_a_token_is_for_one_user_and_one_hour(file: Path, claims: Callable[..., dict[str, Any]]) -> None:
    before = int(time.time())
    found = claims("--secret-file", str(file))
    assert before <= found["iat"] <= time.time()
    assert found == {"sub": "c-17", "type": "client", "iat": found["iat"], "exp": found["iat"] + 3600}


def test_a_relay_with_that_secret_accepts_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--user", "s 4/\u00fc", "--type", "serviceman", "--ttl", "60", "--audience", "orders"]
    assert run([*argv, "--secret-file", str(file)]) == 0
    verifier = TokenVerifier(load_keys((file,), (), None), time.time, "orders")
    token = verifier.verify([f"Bearer {capsys.readouterr().out.strip()}"])
    assert (token.sub, token.type) == ("s 4/\u00fc", "serviceman")
    assert token.exp <= time.time() + 60


def test_the_secret_may_be_in_the_environment_of_the_relay_and_the_option_wins(
    file: Path, tmp_path: Path, claims: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    third = b"a third secret, that is in no file"
    monkeypatch.setenv("RELAY_JWT_SECRET", third.decode())
    assert claims(secret=third)
    other = written(tmp_path / "other", OTHER_SECRET)
    monkeypatch.setenv("RELAY_JWT_SECRET_FILE", f"{other}:/the/old/one")
    assert claims(secret=OTHER_SECRET)
    assert claims("--secret-file", str(file), secret=SECRET)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "--secret-file (RELAY_JWT_SECRET_FILE): missing secret of the relay; name the file, or set "),
        (
            ["--secret-file", "/no/such/file"],
            "--secret-file (RELAY_JWT_SECRET_FILE): /no/such/file: cannot be",
        ),
        (
            ["--secret-file", "/dev/null"],
            "--secret-file (RELAY_JWT_SECRET_FILE): /dev/null: cannot be read: not a",
        ),
        (["--user", ""], "--user (RELAY_JWT_USER): it must have 1 to 128 characters"),
        (["--user", "a\nb"], "--user (RELAY_JWT_USER): it must have no control characters"),
        (["--type", "boss"], "--type (RELAY_JWT_TYPE): invalid value"),
        (["--ttl", "0"], "--ttl (RELAY_JWT_TTL): it must be 1 to 3162240000 seconds"),
        (["--ttl", "-1"], "--ttl (RELAY_JWT_TTL): it must be 1 to"),
        (["--ttl", "99999999999"], "--ttl (RELAY_JWT_TTL): it must be 1 to"),
        (["--ttl", "1h"], "--ttl (RELAY_JWT_TTL): invalid value"),
        (["--secret", "hunter2"], "Unknown option: --secret. Did you mean --secret-file?"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_printed(
    argv: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*USER, *argv]) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert errors.startswith(line)
    assert "hunter2" not in errors


@pytest.mark.parametrize("content", [b"hunter2", public_pem("RSA")], ids=["too short", "a public key"])
def test_an_unusable_secret_is_not_shown(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_JWT_SECRET", content.decode())
    for argv in ((), ("--secret-file", str(written(tmp_path / "file", content)))):
        assert run([*USER, *argv]) == 2
        output, errors = capsys.readouterr()
        assert (output, errors.count("\n")) == ("", 1)
        assert not any(line in errors for line in content.decode().splitlines())
