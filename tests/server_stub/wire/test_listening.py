from __future__ import annotations

import resource
import socket

import pytest

from server_stub.wire import listening
from server_stub.wire.listening import StartError, bind, capacity, raise_file_limit


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_needs_no_flag(host: str) -> None:
    with bind(host, 0, insecure=False) as listener:
        assert listener.getsockname()[1] != 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_any_other_address_needs_the_insecure_flag(host: str) -> None:
    with pytest.raises(StartError, match=f"{host} is not loopback.*--insecure"):
        bind(host, 0, insecure=False)
    bind(host, 0, insecure=True).close()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "300.1.1.1", "\0"])
def test_an_unknown_address_is_rejected(host: str) -> None:
    with pytest.raises(StartError, match="unknown address"):
        bind(host, 0, insecure=True)


def test_a_port_in_use_is_rejected() -> None:
    with bind("127.0.0.1", 0, insecure=False) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            StartError, match=f"cannot listen on 127.0.0.1, port {port}: Address already in use"
        ):
            bind("127.0.0.1", port, insecure=False)


def test_a_port_can_be_taken_again_at_once() -> None:
    with bind("127.0.0.1", 0, insecure=False) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            listener.accept()[0].close()
            assert client.recv(1) == b""
    bind("127.0.0.1", port, insecure=False).close()


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
