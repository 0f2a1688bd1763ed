from __future__ import annotations

import resource
import socket

import pytest

from server_stub.wire import listening
from server_stub.wire.listening import Protection, StartError, bind, capacity, raise_file_limit

NOTHING = Protection(has_key=False, has_tls=False, insecure=False)
INSECURE = NOTHING._replace(insecure=True)
KEY, TLS = NOTHING._replace(has_key=True), NOTHING._replace(has_tls=True)
BOTH = Protection(has_key=True, has_tls=True, insecure=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_needs_no_protection(host: str) -> None:
    with bind(host, 0, NOTHING) as listener:
        assert listener.getsockname()[1] != 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize(
    ("protection", "key_is_missing", "tls_is_missing"),
    [(NOTHING, True, True), (KEY, False, True), (TLS, True, False)],
)
def test_any_other_address_needs_a_key_and_tls(
    host: str, protection: Protection, key_is_missing: bool, tls_is_missing: bool
) -> None:
    with pytest.raises(StartError) as caught:
        bind(host, 0, protection)
    reason = str(caught.value)
    assert reason.startswith(f"{host} is not loopback, and ")
    assert reason.endswith("--insecure")
    assert ("--jwt-secret-file or --jwt-public-key-file" in reason) == key_is_missing
    assert ("--tls-cert and --tls-key" in reason) == tls_is_missing


@pytest.mark.parametrize("protection", [BOTH, INSECURE])
def test_any_other_address_is_allowed_with_both_or_with_the_insecure_flag(protection: Protection) -> None:
    bind("0.0.0.0", 0, protection).close()


@pytest.mark.parametrize(
    ("protection", "address", "access"),
    [
        (
            NOTHING,
            "127.0.0.1",
            "programs on this machine may connect, as any user, without a token, in plain text",
        ),
        (KEY, "::1", "programs on this machine may connect, with a valid token, in plain text"),
        (BOTH, "0.0.0.0", "all that can reach this address may connect, with a valid token, over TLS"),
        (TLS, "::", "all that can reach this address may connect, as any user, without a token, over TLS"),
    ],
)
def test_who_may_connect_is_described(protection: Protection, address: str, access: str) -> None:
    assert protection.describe(address) == access


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "300.1.1.1", "\0"])
def test_an_unknown_address_is_rejected(host: str) -> None:
    with pytest.raises(StartError, match="unknown address"):
        bind(host, 0, INSECURE)


def test_a_port_in_use_is_rejected() -> None:
    with bind("127.0.0.1", 0, NOTHING) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            StartError, match=f"cannot listen on 127.0.0.1, port {port}: Address already in use"
        ):
            bind("127.0.0.1", port, NOTHING)


def test_a_port_can_be_taken_again_at_once() -> None:
    with bind("127.0.0.1", 0, NOTHING) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            listener.accept()[0].close()
            assert client.recv(1) == b""
    bind("127.0.0.1", port, NOTHING).close()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The file limits of a fake process."""
    limits = {"nofile": (1024, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits["nofile"])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, value: limits.update(nofile=value))
    return limits


def test_the_file_limit_is_raised_to_its_maximum(files: dict[str, tuple[int, int]]) -> None:
    raise_file_limit()
    assert files["nofile"] == (4096, 4096)
    files["nofile"] = (1024, resource.RLIM_INFINITY)
    raise_file_limit()
    assert files["nofile"][0] == 1024


@pytest.mark.parametrize(
    ("soft", "wanted", "transports", "websockets"),
    [
        (1024, 100, 992, 100),
        (1024, 10_000, 992, 892),
        (1024, 0, 992, 892),
        (64, 10_000, 32, 28),
        (16, 10_000, 1, 1),
    ],
)
def test_connections_stay_below_the_limit_of_files(
    files: dict[str, tuple[int, int]], soft: int, wanted: int, transports: int, websockets: int
) -> None:
    files["nofile"] = (soft, soft)
    assert capacity(wanted) == listening.Capacity(transports, websockets)
