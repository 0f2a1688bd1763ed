"""States in files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from socket_bloc.bloc import FileStorage

KEYS = [
    "CounterCubit",
    "counter.a",
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a%2Fb",
    "a b",
    "a\\b",
    "nul\0byte",
    "line\nfeed",
    "naïve-日本-🛵",
    "\ud800",
    "x" * 300,
    "x" * 301,
    "日" * 300,
]


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path)


@pytest.mark.parametrize("text", ["", "0", '{"a": 1}\r\n', "naïve 日本 🛵", "x" * 1_000_000])
def test_a_text_is_read_as_it_was_written(storage: FileStorage, text: str) -> None:
    storage.write("key", "an older and longer text")
    storage.write("key", text)
    assert storage.read("key") == text


def test_each_key_has_one_file_in_the_directory_whatever_its_characters(tmp_path: Path) -> None:
    directory = tmp_path / "states"
    storage = FileStorage(directory)
    for number, key in enumerate(KEYS):
        storage.write(key, str(number))
    assert [storage.read(key) for key in KEYS] == [str(number) for number in range(len(KEYS))]
    assert len(list(directory.iterdir())) == len(KEYS)
    assert list(tmp_path.iterdir()) == [directory]


def test_a_plain_key_is_the_name_of_its_file(storage: FileStorage, tmp_path: Path) -> None:
    storage.write("DraftCubit.o-81", "{}")
    assert (tmp_path / "DraftCubit.o-81.json").read_text() == "{}"


def test_a_key_that_was_never_written_has_no_text(storage: FileStorage) -> None:
    assert storage.read("key") is None


def test_a_deleted_key_has_no_text_and_may_be_deleted_again(storage: FileStorage) -> None:
    storage.write("key", "1")
    storage.delete("key")
    assert storage.read("key") is None
    storage.delete("key")


def test_nothing_is_created_before_the_first_write(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path / "a" / "b"))
    assert storage.read("key") is None
    storage.delete("key")
    assert not (tmp_path / "a").exists()
    storage.write("key", "1")
    assert storage.read("key") == "1"


def test_only_the_owner_can_read_the_directory_and_the_files(tmp_path: Path) -> None:
    directory = tmp_path / "states"
    before = os.umask(0)
    try:
        FileStorage(directory).write("key", "1")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())]
    assert modes == [0o700, 0o600]


def test_a_write_that_fails_leaves_the_old_text_and_no_other_file(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    storage.write("key", "old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        storage.write("key", "new")
    assert storage.read("key") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_a_text_is_on_the_disk_before_it_replaces_the_old_one(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    storage.write("key", "old")
    monkeypatch.setattr(
        os, "fsync", lambda _: synced.append({file.read_text() for file in tmp_path.iterdir()})
    )
    storage.write("key", "new")
    assert synced == [{"old", "new"}]


def test_a_killed_writer_leaves_the_last_text_or_the_one_before(tmp_path: Path) -> None:
    program = (
        "import itertools, sys\n"
        "from socket_bloc.bloc import FileStorage\n"
        f"storage = FileStorage({str(tmp_path)!r})\n"
        "for number in itertools.count():\n"
        "    storage.write('key', f'{number:06}' * 10_000)\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(20):
            writer.stdout.readline()
        writer.kill()
        written = [19, *map(int, writer.stdout.read().split())]
    text = FileStorage(tmp_path).read("key")
    assert text in (f"{number:06}" * 10_000 for number in (written[-1], written[-1] + 1))


def test_a_file_that_is_not_text_cannot_be_read(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="utf-8"):
        storage.read("key")


def test_a_directory_that_is_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "states").write_text("")
    storage = FileStorage(tmp_path / "states")
    with pytest.raises(OSError, match="states"):
        storage.read("key")
    with pytest.raises(OSError, match="states"):
        storage.write("key", "1")
