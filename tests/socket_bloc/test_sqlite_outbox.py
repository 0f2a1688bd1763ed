"""The outbox in a file: what survives, what is refused, and that a refused file is left as it is."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from socket_bloc import outbox_file, sqlite_outbox
from socket_bloc.errors import OutboxError, OutboxFullError
from socket_bloc.order_status import ClientType, OrderStatus, StatusCode
from socket_bloc.outbox import Send
from socket_bloc.sqlite_outbox import SqliteOutbox
from tests.socket_bloc.simulation import cancelled, placed
from tests.socket_bloc.waiting import TIMEOUT

SENDS = [placed("o-2", "m-9"), placed("o-1", "m-1"), cancelled("o-2", "m-5")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def write(path: Path, *sends: Send) -> None:
    """Leave these sends unsettled in the file."""
    with closing(SqliteOutbox(path)) as outbox:
        outbox.bind("c-17", ClientType.CLIENT)
        for send in sends:
            outbox.add(send)


def read(path: Path) -> list[Send]:
    with closing(SqliteOutbox(path)) as outbox:
        return list(outbox)


def execute(path: Path, *statements: str) -> None:
    """Change the file as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def write_and_be_killed(path: Path, code: str = "") -> None:
    """Let a process add a send, run `code`, and be killed: what it wrote last is in the log alone."""
    script = f"""
import os, signal, sqlite3
from socket_bloc import *
outbox = SqliteOutbox({os.fspath(path)!r})
outbox.bind("c-17", ClientType.CLIENT)
outbox.add(Send("m-1", OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4")))
{code}
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.run([sys.executable, "-c", script], check=False)
    assert process.returncode == -signal.SIGKILL
    assert path.with_name("outbox.db-wal").stat().st_size


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, but not SQLite's index of a log, which is rebuilt at each start."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def refusal_of(path: Path) -> str:
    """Return why the file is refused, and check that everything is left as it was."""
    before = contents(path.parent)
    with pytest.raises(OutboxError) as error:
        SqliteOutbox(path)
    assert contents(path.parent) == before
    assert str(path) in str(error.value)
    return str(error.value)


# What survives


def test_what_is_unsettled_is_there_when_the_file_is_opened_again(path: Path) -> None:
    write(path, *SENDS)
    with closing(SqliteOutbox(path)) as outbox:
        assert list(outbox) == SENDS
        assert [send.added_at for send in outbox] == [send.added_at for send in SENDS]
        outbox.add(placed("o-1", "m-1"))  # the same again
        outbox.settle("m-1")
        outbox.add(placed("o-3", "m-0"))
    assert [send.message_id for send in read(path)] == ["m-9", "m-5", "m-0"]


def test_every_field_of_a_status_survives(path: Path) -> None:
    status = OrderStatus.of(
        StatusCode.PLACED, order_id="ö-1", receiver_id="s\n4", sender_id="c-17", message="\U0001f6b0 'drips'"
    )
    write(path, Send("m-1", status, datetime(1999, 12, 31, 23, 59, 59, 999999, UTC)))
    (send,) = read(path)
    assert send.order_status == status
    assert send.added_at == datetime(1999, 12, 31, 23, 59, 59, 999999, UTC)


def test_what_a_killed_process_has_added_is_there(path: Path) -> None:
    write_and_be_killed(path)
    assert read(path) == [placed("o-1", "m-1")]


@pytest.mark.parametrize("code", ["outbox.settle('m-1')", "outbox.settle('m-1'); outbox.sync()"])
def test_what_a_killed_process_has_settled_is_gone(path: Path, code: str) -> None:
    write_and_be_killed(path, code)
    assert read(path) == []


def test_an_addition_is_durable_and_so_is_a_removal_after_a_sync(path: Path) -> None:
    def syncs() -> int:
        with closing(sqlite3.connect(path)) as other:
            (count,) = other.execute("SELECT syncs FROM outbox").fetchone()
        return count

    with closing(SqliteOutbox(path)) as outbox:
        for number in range(3):
            outbox.add(placed("o-1", f"m-{number}"))
            assert outbox._connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert outbox._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        before = syncs()
        outbox.sync()
        assert syncs() == before, "all is durable already"
        outbox.settle("m-0")
        outbox.sync()
        assert syncs() == before + 1
        assert outbox._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        outbox.settle("m-1")
        outbox.add(placed("o-1", "m-3"))
        outbox.sync()
        assert syncs() == before + 1, "the addition has made the removal durable"


def test_an_empty_file_becomes_an_outbox(path: Path) -> None:
    path.touch(0o644)
    write(path, *SENDS)
    assert read(path) == SENDS


def test_what_a_killed_creation_has_left_is_replaced(path: Path) -> None:
    for name in ("", "-new", "-new-wal", "-new-shm", "-new-journal"):
        path.with_name(path.name + name).touch()
    path.with_name("outbox.db-new").write_bytes(b"half of one")
    write(path, *SENDS)
    assert read(path) == SENDS
    assert [file.name for file in path.parent.iterdir()] == ["outbox.db"]


# Whose it is


def test_a_file_belongs_to_its_first_user_for_good(path: Path) -> None:
    write(path)
    with closing(SqliteOutbox(path)) as outbox:
        outbox.bind("c-17", ClientType.CLIENT)
        for other in (("c-18", ClientType.CLIENT), ("c-17", ClientType.SERVICEMAN)):
            with pytest.raises(ValueError, match=f"^outbox: {path} belongs to another user"):
                outbox.bind(*other)


# The limit


def test_a_full_outbox_takes_nothing_more_also_after_a_restart(path: Path) -> None:
    with closing(SqliteOutbox(path, limit=3)) as outbox:
        for send in SENDS:
            outbox.add(send)
    with closing(SqliteOutbox(path, 3)) as outbox:
        with pytest.raises(OutboxFullError, match=rf"{path} has 3 unsettled sends, which is its limit"):
            outbox.add(placed("o-3", "m-3"))
        outbox.add(placed("o-1", "m-1"))  # the same again
        assert list(outbox) == SENDS
        outbox.settle("m-1")
        outbox.add(placed("o-3", "m-3"))
    assert [send.message_id for send in read(path)] == ["m-9", "m-5", "m-3"]


def test_by_default_1000_sends_may_be_unsettled(path: Path) -> None:
    with closing(SqliteOutbox(path)) as outbox:
        assert outbox.limit == 1000


def test_a_limit_below_one_is_an_error_that_names_it(path: Path) -> None:
    with pytest.raises(ValueError, match=r"^limit: it must be at least 1"):
        SqliteOutbox(path, limit=0)
    assert not path.exists()


# A disk that is full, a file that cannot be written to


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Let no file of this process grow beyond the log of the outbox."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_a_full_disk_cannot_take_is_an_error_and_not_added(path: Path) -> None:
    with closing(SqliteOutbox(path)) as outbox:
        outbox.add(SENDS[0])
        with full_disk(path), pytest.raises(OutboxError, match=f"^cannot write to the outbox {path}: "):
            outbox.add(SENDS[1])
        assert list(outbox) == SENDS[:1]
        outbox.add(SENDS[2])
    assert read(path) == [SENDS[0], SENDS[2]]


def test_what_a_full_disk_cannot_remove_is_removed_with_the_next_change(path: Path) -> None:
    with closing(SqliteOutbox(path)) as outbox:
        for send in SENDS:
            outbox.add(send)
        with full_disk(path):
            for settle in ("m-9", "m-1"):
                with pytest.raises(OutboxError, match=f"^cannot write to the outbox {path}: "):
                    outbox.settle(settle)
            with pytest.raises(OutboxError, match=f"^cannot write to the outbox {path}: "):
                outbox.sync()
        assert list(outbox) == SENDS[2:]
        outbox.add(placed("o-2", "m-9"))
    assert read(path) == [SENDS[2], placed("o-2", "m-9")]


def test_a_sync_removes_what_a_full_disk_could_not(path: Path) -> None:
    with closing(SqliteOutbox(path)) as outbox:
        outbox.add(SENDS[0])
        with full_disk(path), pytest.raises(OutboxError):
            outbox.settle("m-9")
        outbox.sync()
    assert read(path) == []


def test_a_file_that_cannot_be_created_is_an_error(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OutboxError, match=f"^cannot open the outbox {path}: "):
            SqliteOutbox(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read(path) == []


def test_a_read_only_file_can_be_read_and_says_so_when_something_is_added(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, *SENDS)

    def connect(path: str) -> sqlite3.Connection:  # as SQLite does if the file may not be written to
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    monkeypatch.setattr(outbox_file, "_connect", connect)
    with closing(SqliteOutbox(path)) as outbox:
        outbox.bind("c-17", ClientType.CLIENT)
        with pytest.raises(OutboxError, match=f"^cannot write to the outbox {path}: .*readonly"):
            outbox.add(placed("o-4", "m-4"))
        assert list(outbox) == SENDS


def test_a_disk_that_cannot_keep_a_log_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")

    def connect(path: str) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?immutable=1", uri=True, isolation_level=None)

    monkeypatch.setattr(outbox_file, "_connect", connect)
    assert "SQLite did not take WAL and synchronous=FULL, but delete and 2" in refusal_of(path)


# What is refused


def make_text(path: Path) -> None:
    path.write_text("my shopping list")


def make_foreign_database(path: Path) -> None:
    execute(path, "CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')")


def make_relay_database(path: Path) -> None:
    execute(path, "PRAGMA application_id = 0x6F726431", "CREATE TABLE relay (epoch TEXT)")


def make_header_alone(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")


@pytest.mark.parametrize("make", [make_text, make_foreign_database, make_relay_database, make_header_alone])
def test_a_file_that_is_not_an_outbox_is_refused(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    assert "is not an outbox; it was left as it is" in refusal_of(path)


@pytest.mark.parametrize("version", [0, 2])
def test_a_file_of_another_version_is_refused(path: Path, version: int) -> None:
    write(path, *SENDS)
    execute(path, f"PRAGMA user_version = {version}")
    assert f"its schema has version {version}" in refusal_of(path)


def test_a_file_whose_newer_version_is_in_the_log_alone_is_refused(path: Path) -> None:
    write_and_be_killed(path, "outbox._connection.execute('PRAGMA user_version = 2')")
    assert "its schema has version 2" in refusal_of(path)


def test_a_database_whose_first_page_is_in_the_log_alone_is_not_mistaken_for_a_new_outbox(path: Path) -> None:
    script = f"""
import os, signal, sqlite3
connection = sqlite3.connect({os.fspath(path)!r}, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE notes (text)")
os.truncate({os.fspath(path)!r}, 0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    assert path.stat().st_size == 0
    assert "it is empty, but " in refusal_of(path)


@pytest.mark.parametrize("table", ["sends", "outbox"])
def test_an_outbox_without_one_of_its_tables_is_refused(path: Path, table: str) -> None:
    write(path, *SENDS)
    execute(path, f"DROP TABLE {table}")
    assert refusal_of(path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sends SET order_status = replace(order_status, 'PLACED', 'PLACER')",
        "UPDATE sends SET message_id = 'm-2'",
        "UPDATE sends SET added_at = added_at + 1",
        "UPDATE sends SET checksum = 'secret'",
        "UPDATE sends SET order_status = x'80'",
        "UPDATE sends SET message_id = CAST(x'736563726574ff' AS TEXT)",
        "DELETE FROM outbox",
        "INSERT INTO outbox SELECT * FROM outbox",
        "UPDATE outbox SET user_id = 'c-18'",
        "UPDATE outbox SET type = 'serviceman'",
    ],
)
def test_an_altered_row_is_refused_and_not_quoted(path: Path, damage: str) -> None:
    write(path, *SENDS)
    execute(path, damage)
    refusal = refusal_of(path)
    assert "is damaged; it was left as it is" in refusal
    assert "secret" not in refusal


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_damaged_file_is_refused_or_still_correct(path: Path, tmp_path: Path, is_killed: bool) -> None:
    write(path, *SENDS)
    if is_killed:
        write_and_be_killed(path)
    original = contents(tmp_path)
    random = Random(17)
    refused = 0
    for number in range(150):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for name, content in original.items():
            (folder / name).write_bytes(content)
        damaged = bytearray(original["outbox.db"])
        for _ in range(random.choice([1, 20])):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        length = random.choice([len(damaged), random.randrange(1, len(damaged))])
        (folder / "outbox.db").write_bytes(damaged[:length])
        before = contents(folder)
        try:
            assert read(folder / "outbox.db") == SENDS
        except OutboxError:
            refused += 1
            assert contents(folder) == before
        shutil.rmtree(folder)
    assert refused > 75


def test_a_log_that_is_none_is_refused(path: Path) -> None:
    write_and_be_killed(path)
    path.with_name("outbox.db-wal").write_bytes(b"garbage" * 1000)
    assert "is damaged" in refusal_of(path)


def test_a_log_that_was_cut_short_is_read_as_far_as_it_goes(path: Path) -> None:
    write_and_be_killed(path)
    log = path.with_name("outbox.db-wal")
    os.truncate(log, log.stat().st_size - 1)
    assert read(path) == []


def test_a_directory_a_fifo_and_a_missing_directory_are_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OutboxError, match=f"^cannot open the outbox {path}: Is a directory$"):
        SqliteOutbox(path)
    fifo = path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OutboxError, match=f"^cannot open the outbox {fifo}: it is not a regular file$"):
        SqliteOutbox(fifo)
    missing = path / "missing" / "outbox.db"
    with pytest.raises(OutboxError, match=f"^cannot open the outbox {missing}: there is no such directory$"):
        SqliteOutbox(missing)


# One opener at a time


def test_a_second_outbox_on_the_same_file_is_refused_whatever_its_name(path: Path, tmp_path: Path) -> None:
    link, hard_link = tmp_path / "link.db", tmp_path / "hard-link.db"
    link.symlink_to(path)
    with closing(SqliteOutbox(path)) as outbox:
        os.link(path, hard_link)
        for name in (path, link, hard_link):
            with pytest.raises(OutboxError, match=r"is open already"):
                SqliteOutbox(name)
        outbox.add(SENDS[0])
        with closing(sqlite3.connect(path, timeout=0)) as other:
            outbox._connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):  # SQLite's own locks are still held
                other.execute("BEGIN IMMEDIATE")
            outbox._connection.execute("ROLLBACK")
    assert "it has 2 names" in refusal_of(path).replace("the file has", "it has")
    hard_link.unlink()
    assert read(link) == SENDS[:1]


def test_a_file_that_another_process_has_open_is_refused_until_that_is_killed(path: Path) -> None:
    script = (
        f"from socket_bloc import SqliteOutbox; outbox = SqliteOutbox({os.fspath(path)!r}); print(); input()"
    )
    command = [sys.executable, "-uc", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "is open already, here or in another process" in refusal_of(path)
        process.kill()
        process.wait(TIMEOUT)
    assert read(path) == []


def test_a_forked_child_does_not_keep_the_file_of_its_parent(path: Path) -> None:
    script = f"""
import os, signal
from socket_bloc import SqliteOutbox
outbox = SqliteOutbox({os.fspath(path)!r})
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
print("child", flush=True)
input()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"child\n"
        process.wait(TIMEOUT)
        with closing(SqliteOutbox(path)) as outbox:
            outbox.add(SENDS[0])
            process.stdin.write(b"\n")
            process.stdin.close()
            assert process.stdout.read() == b"", "the child has ended"
            outbox.add(SENDS[1])
    assert read(path) == SENDS[:2]


def test_where_the_file_itself_cannot_be_locked_a_file_beside_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "another")
    with closing(SqliteOutbox(path)) as outbox:
        outbox.add(SENDS[0])
        monkeypatch.setattr(outbox_file, "_open_here", dict[tuple[int, int], int]())
        with pytest.raises(OutboxError, match=r"is open already"):
            SqliteOutbox(path)
    assert read(path) == SENDS[:1]
    assert stat.S_IMODE((path.parent / "outbox.db-lock").stat().st_mode) == 0o600


def test_on_a_mac_an_fsync_is_a_full_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with closing(SqliteOutbox(path)) as outbox:
        for pragma in ("fullfsync", "checkpoint_fullfsync"):
            assert outbox._connection.execute(f"PRAGMA {pragma}").fetchone() == (1,)


def test_a_failed_open_leaves_nothing_open(path: Path) -> None:
    make_text(path)
    for _ in range(2):
        assert "is not an outbox" in refusal_of(path), "and not that it is open already"


# Closing


def test_a_closed_outbox_takes_nothing_more_and_its_file_is_free(path: Path) -> None:
    outbox = SqliteOutbox(path)
    outbox.add(SENDS[0])
    outbox.settle("m-9")
    for _ in range(2):
        outbox.close()
    with pytest.raises(OutboxError, match=f"^the outbox {path} is closed; open it with a new SqliteOutbox$"):
        outbox.add(SENDS[0])
    assert [file.name for file in path.parent.iterdir()] == ["outbox.db"]
    assert read(path) == []


def test_an_outbox_that_is_dropped_is_closed(path: Path) -> None:
    outbox = SqliteOutbox(path)
    outbox.add(SENDS[0])
    del outbox
    gc.collect()
    assert read(path) == SENDS[:1]


# Permissions


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_whatever_the_umask_only_its_owner_may_read_it(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with closing(SqliteOutbox(path)) as outbox:
            outbox.add(SENDS[0])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("outbox.db", "outbox.db-wal", "outbox.db-shm"), 0o600)


def test_permissions_of_others_are_taken_away(path: Path) -> None:
    write_and_be_killed(path)
    for file in path.parent.iterdir():
        file.chmod(0o666)
    with closing(SqliteOutbox(path)):
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_the_files_beside_it_get_the_permissions_of_a_file_that_was_made_writable_again(path: Path) -> None:
    write_and_be_killed(path)
    for name in ("outbox.db-wal", "outbox.db-shm"):
        path.with_name(name).chmod(0o400)
    with closing(SqliteOutbox(path)):
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


# Checkpoints


def saved(path: Path) -> int:
    """Count the sends in the file, without its log."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM sends").fetchone()
    return count


def wait_for_checkpoint(outbox: SqliteOutbox) -> None:
    thread = outbox._checkpoint
    assert thread is not None
    thread.join(TIMEOUT)


def test_the_log_is_moved_into_the_file_by_a_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_outbox, "CHECKPOINT_EVERY", 4)
    with closing(SqliteOutbox(path)) as outbox:
        for number in range(1, 9):
            outbox.add(placed("o-1", f"m-{number}"))
            if number % 4 == 0:
                wait_for_checkpoint(outbox)
            assert saved(path) == number // 4 * 4


def test_there_is_one_checkpoint_at_a_time_and_close_waits_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_outbox, "CHECKPOINT_EVERY", 1)
    running: list[int] = []
    most: list[int] = []

    def checkpoint(path: str) -> None:
        running.append(1)
        most.append(len(running))
        outbox_file.checkpoint(path)
        running.pop()

    monkeypatch.setattr(sqlite_outbox, "checkpoint", checkpoint)
    with closing(SqliteOutbox(path)) as outbox:
        for number in range(100):
            outbox.add(placed("o-1", f"m-{number}"))
    assert not running
    assert set(most) == {1}


def test_without_a_thread_the_log_grows_until_there_is_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_outbox, "CHECKPOINT_EVERY", 4)

    def start(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with closing(SqliteOutbox(path)) as outbox:
        with monkeypatch.context() as context:
            context.setattr(Thread, "start", start)
            for number in range(5):
                outbox.add(placed("o-1", f"m-{number}"))
        assert saved(path) == 0
        outbox.add(placed("o-1", "m-5"))
        wait_for_checkpoint(outbox)
        assert saved(path) == 6


def test_a_checkpoint_that_fails_is_made_up_for_by_the_next_one(tmp_path: Path) -> None:
    outbox_file.checkpoint(os.fspath(tmp_path))
