"""Starting, and failing to start: one line, a non-zero exit status, and nothing changed."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.blackbox.conftest import Connect, StartRelay
from tests.blackbox.process import command, environment
from tests.blackbox.wire import TIMEOUT, HandshakeRefusedError


def refusal(argv: list[str], **variables: str) -> str:
    """The one line of a relay that does not start."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=TIMEOUT, env=environment(**variables), check=False
    )
    assert done.returncode > 0, "it must exit with a status of its own, and neither 0 nor a signal"
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith("\n")
    return done.stderr


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_a_key_and_a_certificate_it_listens_on_the_loopback_only(url: str, host: str) -> None:
    line = refusal(command(port=0, database=url, host=host))
    for option in ("--jwt-secret-file", "--tls-cert", "--insecure"):
        assert option in line


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2"])
def test_any_name_of_the_loopback_is_accepted(start_relay: StartRelay, connect: Connect, host: str) -> None:
    relay = start_relay(host=host)
    assert connect("client", to=relay.address).welcome["head"] == 0


def test_a_port_in_use_is_named(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in refusal(command(port=port, database=url))


@pytest.mark.parametrize("content", [b"Dear diary,\n", b"\x00" * 5000, b"SQLite format 3\x00 and no more"])
def test_a_file_that_is_not_a_database_is_left_untouched(tmp_path: Path, url: str, content: bytes) -> None:
    path = tmp_path / "orders.db"
    path.write_bytes(content)
    assert str(path) in refusal(command(port=0, database=url))
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_left_untouched(tmp_path: Path, url: str) -> None:
    path = tmp_path / "orders.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
    other.commit()
    other.close()
    content = path.read_bytes()
    assert str(path) in refusal(command(port=0, database=url))
    assert path.read_bytes() == content


def test_an_empty_file_counts_as_new(tmp_path: Path, start_relay: StartRelay, connect: Connect) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    relay = start_relay(database=path)
    assert connect("client", to=relay.address).welcome["head"] == 0


def test_a_directory_is_rejected_as_a_database(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(command(port=0, database=f"sqlite:///{tmp_path}"))


def test_a_database_in_a_missing_folder_is_rejected(tmp_path: Path) -> None:
    assert "absent" in refusal(command(port=0, database=f"sqlite:///{tmp_path}/absent/orders.db"))


def test_a_second_relay_on_the_same_file_is_rejected_and_the_first_keeps_running(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    line = refusal(command(port=0, database=f"sqlite:///{relay.database}"))
    assert str(relay.database) in line
    assert connect("client", to=relay.address).welcome["head"] == 0


def test_a_stopped_relay_releases_the_file_to_the_next(start_relay: StartRelay, connect: Connect) -> None:
    assert start_relay().stop() == 0
    connect("client", to=start_relay().address)


def test_a_killed_relay_leaves_no_lock_behind(start_relay: StartRelay, connect: Connect) -> None:
    start_relay().kill()
    connect("client", to=start_relay().address)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("port", value) for value in ("x", "-1", "65536", "1.5", "")),
        *(("rate_limit", value) for value in ("x", "-1", "nan", "inf", "")),
        *(("rate_burst", value) for value in ("x", "-1", "nan")),
        *(("max_connections", value) for value in ("x", "-1", "1.5")),
        *(("database", value) for value in ("", "orders.db", "mysql://host/orders", "sqlite://")),
    ],
)
def test_an_invalid_value_is_rejected_with_the_name_of_its_option(url: str, name: str, value: str) -> None:
    option = "--" + name.replace("_", "-")
    argv = command(**{"port": 0, "database": url, name: value})
    assert option in refusal(argv)


@pytest.mark.parametrize("name", ["PORT", "RATE_LIMIT", "RATE_BURST", "MAX_CONNECTIONS", "DATABASE"])
def test_an_invalid_environment_variable_is_rejected_by_name(name: str, tmp_path: Path) -> None:
    variables = {
        "RELAY_PORT": "0",
        "RELAY_DATABASE": f"sqlite:///{tmp_path}/orders.db",
        f"RELAY_{name}": "x:",
    }
    assert f"RELAY_{name}" in refusal(command(), **variables)


@pytest.mark.parametrize("argument", ["--nope", "orders.db", "--port"])
def test_an_unknown_argument_is_rejected(url: str, argument: str) -> None:
    assert argument in refusal([*command(database=url), argument])


def test_help_names_every_option_and_its_default() -> None:
    done = subprocess.run([*command(), "--help"], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    for word in (
        *("--host", "--port", "--database", "--rate-limit", "--rate-burst", "--max-connections"),
        *("--allowed-origins", "--insecure", "100", "200", "10000"),
    ):
        assert word in done.stdout


def test_the_environment_sets_what_the_options_leave_open(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay(max_connections=None, variables={"RELAY_MAX_CONNECTIONS": "1"})
    connect("client", to=relay.address)
    with pytest.raises(HandshakeRefusedError, match="503"):
        connect("client", to=relay.address)


def test_an_option_overrides_the_environment(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay(max_connections=2, variables={"RELAY_MAX_CONNECTIONS": "1"})
    connect("client", to=relay.address)
    connect("client", to=relay.address)
