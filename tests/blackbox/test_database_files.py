"""What others do to the files of a running relay: nothing is acknowledged that a restart would not find."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.blackbox.client import Client, Order
from tests.blackbox.conftest import Connect, StartRelay
from tests.blackbox.process import RelayProcess, command
from tests.blackbox.test_start import refusal
from tests.blackbox.wire import TIMEOUT, ClosedByRelayError


def _wal(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def _replace(database: Path) -> None:
    copy = database.with_name("copy.db")
    shutil.copy(database, copy)
    copy.replace(database)


def _overwrite(database: Path) -> None:
    content = database.read_bytes()
    database.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "database removed": Path.unlink,
    "database replaced": _replace,
    "database overwritten": _overwrite,
    "database emptied": lambda database: os.truncate(database, 0),
    "WAL removed": lambda database: _wal(database).unlink(),
    "WAL emptied": lambda database: os.truncate(_wal(database), 0),
    "WAL cut": lambda database: os.truncate(_wal(database), 5000),
}


def _place_in_vain(order: Order) -> None:
    """Place an order; the answer is that the outcome is unknown, or the end of the connection."""
    try:
        assert order.client.submit(order.frame("PLACED"))["code"] == "unavailable"
        order.client.receive()
    except ClosedByRelayError:
        return
    raise AssertionError("the connection is still open")


def _problems(relay: RelayProcess) -> list[str]:
    """The lines of its log about what is wrong."""
    return [line for line in relay.log.splitlines() if " ERROR " in line or " CRITICAL " in line]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_relay_whose_files_are_damaged_acknowledges_nothing_more_and_exits(
    start_relay: StartRelay, connect: Connect, damage: str
) -> None:
    relay = start_relay()
    order = Order(connect("client", to=relay.address), connect("serviceman", to=relay.address))
    order.play("PLACED", "ACCEPTED")
    DAMAGES[damage](relay.database)
    _place_in_vain(Order(order.client, order.serviceman))
    assert relay.exit_status() == 1
    (line,) = _problems(relay)
    assert f"the database is lost, nothing is committed any more: {relay.database}" in line


def test_what_was_acknowledged_before_the_wal_was_removed_is_saved(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    order = Order(connect("client", to=relay.address), connect("serviceman", to=relay.address))
    order.play("PLACED", "ACCEPTED", "STARTED")
    _wal(relay.database).unlink()
    _place_in_vain(Order(order.client, order.serviceman))
    assert relay.exit_status() == 1
    again = start_relay()
    replayed = connect("client", order.client.user_id, to=again.address, since=0).replay()
    assert [frame["seq"] for frame in replayed[:3]] == [1, 2, 3]


def test_a_relay_that_is_busy_takes_its_own_checkpoints_for_no_damage(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    client, serviceman = connect("client", to=relay.address), connect("serviceman", to=relay.address)
    orders = [Order(client, serviceman) for _ in range(400)]
    for number, order in enumerate(orders, start=1):
        assert client.submit(order.frame("PLACED", message="x" * 4000))["seq"] == number
    assert _wal(relay.database).stat().st_size < 8_000_000, "there were no checkpoints"
    assert relay.stop() == 0


def _submit_orders(client: Client, serviceman: Client, count: int) -> None:
    for order in [Order(client, serviceman) for _ in range(count)]:
        assert client.submit(order.frame("PLACED"))["type"] == "status"


def _kill_and_remove_the_wal(relay: RelayProcess) -> None:
    relay.kill()
    _wal(relay.database).unlink()


def _kill_and_empty_the_wal(relay: RelayProcess) -> None:
    relay.kill()
    os.truncate(_wal(relay.database), 0)


def _kill_and_cut_the_wal(relay: RelayProcess) -> None:
    relay.kill()
    os.truncate(_wal(relay.database), _wal(relay.database).stat().st_size - 1000)


def _stop_and_put_back_the_older(relay: RelayProcess) -> None:
    assert relay.stop() == 0
    shutil.copy(relay.database.with_name("older.db"), relay.database)


def _kill_and_put_back_the_backup(relay: RelayProcess) -> None:
    relay.kill()
    _wal(relay.database).unlink()
    shutil.copy(relay.database.with_name("backup.db"), relay.database)


@pytest.mark.parametrize(
    "damage",
    [
        _kill_and_remove_the_wal,
        _kill_and_empty_the_wal,
        _kill_and_cut_the_wal,
        _stop_and_put_back_the_older,
        _kill_and_put_back_the_backup,
    ],
)
def test_a_feed_is_not_resumed_into_a_history_that_lacks_what_was_acknowledged(
    start_relay: StartRelay, connect: Connect, damage: Callable[[RelayProcess], None]
) -> None:
    relay = start_relay()
    client, serviceman = connect("client", to=relay.address), connect("serviceman", to=relay.address)
    _submit_orders(client, serviceman, 5)
    epoch = client.welcome["epoch"]
    assert relay.stop() == 0
    shutil.copy(relay.database, relay.database.with_name("older.db"))
    relay = start_relay()
    client = connect("client", client.user_id, to=relay.address, since=5, epoch=epoch)
    assert client.welcome["resumed"]
    url, copy = f"sqlite:///{relay.database}", relay.database.with_name("backup.db")
    backup = [sys.executable, "-m", "tui", "backup", "--database", url, str(copy)]
    assert subprocess.run(backup, timeout=TIMEOUT, check=False).returncode == 0
    _submit_orders(client, serviceman, 3)
    damage(relay)
    again = start_relay()
    welcome = connect("client", client.user_id, to=again.address, since=5, epoch=epoch).welcome
    assert not welcome["resumed"]
    assert welcome["epoch"] != epoch
    assert str(again.database) in again.log
    assert "has a new epoch" in again.log


def test_an_older_database_under_the_wal_of_a_newer_one_is_refused(
    start_relay: StartRelay, connect: Connect
) -> None:
    relay = start_relay()
    users = connect("client", to=relay.address), connect("serviceman", to=relay.address)
    _submit_orders(*users, 2)
    assert relay.stop() == 0
    older = relay.database.read_bytes()
    relay = start_relay()
    _submit_orders(connect("client", to=relay.address), connect("serviceman", to=relay.address), 2)
    assert relay.stop() == 0
    relay = start_relay()
    _submit_orders(connect("client", to=relay.address), connect("serviceman", to=relay.address), 2)
    relay.kill()
    relay.database.write_bytes(older)
    assert str(_wal(relay.database)) in refusal(command(port=0, database=f"sqlite:///{relay.database}"))


def test_a_damaged_database_is_refused_if_it_is_checked(start_relay: StartRelay, connect: Connect) -> None:
    relay = start_relay()
    _submit_orders(connect("client", to=relay.address), connect("serviceman", to=relay.address), 40)
    assert relay.stop() == 0
    content = bytearray(relay.database.read_bytes())
    content[40_960:45_056] = bytes(4096)
    relay.database.write_bytes(content)
    argv = [*command(port=0, database=f"sqlite:///{relay.database}"), "--check"]
    assert "is damaged" in refusal(argv)


def test_a_second_relay_is_refused_by_whatever_name(tmp_path: Path, start_relay: StartRelay) -> None:
    relay = start_relay()
    for name in os.listdir(tmp_path):
        if name.endswith("-lock"):
            (tmp_path / name).unlink()
    assert "another relay" in refusal(command(port=0, database=f"sqlite:///{relay.database}"))
    link = tmp_path / "link.db"
    link.hardlink_to(relay.database)
    assert "hard links" in refusal(command(port=0, database=f"sqlite:///{link}"))
