"""Whether the database and its WAL are still the files that SQLite has open, with what it wrote into them.

SQLite does not notice if another program removes, replaces, truncates or overwrites them: it goes on
writing, and a COMMIT that has returned is gone with the process. So the files are compared after each COMMIT,
before anybody is told of it, with what they must be:

- The database is at its path. Its size and the time of its last change stay the same from one checkpoint to
  the next, because in the meantime everything is written to the WAL. If all of the WAL was copied into it,
  the last frame is there.
- The WAL is at its path, and its header is the one of the WAL index, which is shared memory. The frame with
  which the previous COMMIT ended is unchanged: a truncation would have taken it along, and the next frame,
  which is written behind it, leaves a hole in its place. The frame with which this COMMIT ended is there.

The index also says what was a checkpoint, and what is a WAL that starts again after one. Not noticed are
bytes that change in the middle of the WAL. The formats are described in https://sqlite.org/walformat.html.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import ExitStack
from mmap import PROT_READ, mmap
from typing import Final

from server_stub.ledger.store import DatabaseLostError

__all__ = ["LiveFiles"]

CHECKPOINT_SIZE: Final = 1000
"""Frames of the WAL after which it is time for a checkpoint: fewer, larger ones would take too long."""
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_CHECKSUMS: Final = struct.Struct(">II")
_INDEX: Final = struct.Struct("=14xHI4xII8s56xI28xI")
"""szPage, mxFrame, both of aFrameCksum, aSalt, nBackfill, nBackfillAttempted."""


class LiveFiles:
    """The files of an open database. All but `needs_checkpoint` is for the thread that commits."""

    def __init__(self, path: str, descriptor: int, resources: ExitStack) -> None:
        """`descriptor` is that of the database, to which a connection has written. Raises `OSError`.

        To close `resources` before that connection would drop the locks of SQLite.
        """
        self._path = path
        self._wal_path = f"{path}-wal"
        self._descriptor = descriptor
        self._wal = _open(self._wal_path, resources)
        index = mmap(_open(f"{path}-shm", resources), _INDEX.size, prot=PROT_READ)
        self._index = resources.enter_context(index)
        page_size, *_ = _INDEX.unpack_from(index)
        self._frame_size = _FRAME_HEADER + (65536 if page_size == 1 else page_size)
        self._identity = _identity(os.fstat(descriptor))
        self._wal_identity = _identity(os.fstat(self._wal))
        # As of the last time that they were verified:
        self._database = (0, 0)  # the size of the database, and the time of its last change
        self._salts = b""  # they name the WAL since it last started again
        self._backfilled = 0  # the frames that were copied into the database
        self._frames = 0
        self._last_frame = b""
        self._frames_at_checkpoint = 0
        self._damage = ""
        self.verify()

    def verify(self) -> None:
        """Raise `DatabaseLostError` if the files are not those that are open, as SQLite left them."""
        if self._damage:
            raise DatabaseLostError(self._damage)
        _, frames, checksum1, checksum2, salts, backfilled, attempted = _INDEX.unpack_from(self._index)
        self._verify_database(salts, backfilled, attempted)
        if salts != self._salts:
            self._salts, self._frames, self._last_frame, self._frames_at_checkpoint = salts, 0, b"", 0
        if frames:  # otherwise there is not even a header
            self._verify_wal(frames, salts, checksum1, checksum2)
        if _identity_at(self._wal_path) != self._wal_identity:
            # Nothing is lost yet: SQLite has it open, and copies it into the database on closing.
            raise DatabaseLostError(f"{self._wal_path} was removed or replaced")

    @property
    def is_damaged(self) -> bool:
        """Whether the database, or what the WAL holds, was found to be damaged."""
        return bool(self._damage)

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the WAL, when it was last verified, had grown enough since the last checkpoint."""
        return self._frames - self._frames_at_checkpoint >= CHECKPOINT_SIZE

    @property
    def is_checkpointed(self) -> bool:
        """Whether all of the WAL, when it was last verified, was in the database."""
        return self._backfilled == self._frames

    def checkpoint(self, run: Callable[[], object]) -> None:
        """Call `run` for a checkpoint, once it is sure that the WAL may be written into the database."""
        self.verify()
        run()
        self.verify()
        self._frames_at_checkpoint = self._frames

    def _verify_database(self, salts: bytes, backfilled: int, attempted: int) -> None:
        try:
            status = os.stat(self._path)
        except OSError:
            raise self._damaged(f"{self._path} was removed") from None
        if _identity(status) != self._identity:
            raise self._damaged(f"{self._path} was replaced")
        database = (status.st_size, status.st_mtime_ns)
        is_same_wal = salts == self._salts
        if is_same_wal and backfilled == self._backfilled == attempted:
            is_intact = database == self._database
        elif is_same_wal and backfilled != self._frames:
            is_intact = True  # a checkpoint is under way, has failed, or has gone further than was verified
        else:
            is_intact = self._is_backfilled(self._last_frame)
        if not is_intact:
            raise self._damaged(f"{self._path} was overwritten or truncated")
        self._database = database
        self._backfilled = backfilled

    def _is_backfilled(self, frame: bytes) -> bool:
        if not frame:
            return True
        number = int.from_bytes(frame[:4], "big")
        page = frame[_FRAME_HEADER:]
        return os.pread(self._descriptor, len(page), (number - 1) * len(page)) == page

    def _verify_wal(self, frames: int, salts: bytes, *checksums: int) -> None:
        is_intact = os.pread(self._wal, 8, 16) == salts
        if self._frames:
            is_intact = is_intact and self._read_frame(self._frames) == self._last_frame
        if frames != self._frames:
            self._frames = frames
            self._last_frame = self._read_frame(frames)
            seal = salts + _CHECKSUMS.pack(*checksums)
            is_intact = is_intact and self._last_frame[8:_FRAME_HEADER] == seal
        if not is_intact:
            raise self._damaged(f"{self._wal_path} was overwritten or truncated")

    def _read_frame(self, number: int) -> bytes:
        size = self._frame_size
        return os.pread(self._wal, size, _WAL_HEADER + (number - 1) * size)

    def _damaged(self, what: str) -> DatabaseLostError:
        self._damage = what
        return DatabaseLostError(what)


def _open(path: str, resources: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    resources.callback(os.close, descriptor)
    return descriptor


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _identity_at(path: str) -> tuple[int, int] | None:
    try:
        return _identity(os.stat(path))
    except OSError:
        return None
