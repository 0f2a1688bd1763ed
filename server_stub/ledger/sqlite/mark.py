"""How far a database had come, in a small file beside it: so a start finds an older one in its place.

The mark is written after each COMMIT, before anybody is told of it, but not synced. So it is never ahead of
its database: it is lost with the power at worst, never by the end of the process. A database that is behind
its mark has lost statuses that were acknowledged.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import Final, NamedTuple

__all__ = ["Mark", "MarkFile"]

# Every field has its place, and is replaced by one write.
_EPOCH_SIZE: Final = 32
_FIELD_SIZE: Final = 20


class Mark(NamedTuple):
    """What a database has at least."""

    epoch: str
    status_key: int
    """The key of the last status that was acknowledged."""
    generation: int
    """The value of `relay.touched` in the database itself, without its WAL."""


class MarkFile:
    """The mark of one database."""

    def __init__(self, path: str, resources: ExitStack) -> None:
        """Open the file at `path`, or create it. Raises `OSError`."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
        resources.callback(os.close, self._file)
        self.found = _parse(os.pread(self._file, 1024, 0))
        """The mark of the last process; None if there is none that can be read."""

    def begin(self, mark: Mark) -> None:
        """Set the mark, and make it durable. Raises `OSError`."""
        epoch, status_key, generation = mark
        os.pwrite(self._file, b"%s %s %s\n" % (epoch.encode(), _field(status_key), _field(generation)), 0)
        os.fsync(self._file)

    def acknowledge(self, status_key: int) -> None:
        """Move the mark to a status that is about to be acknowledged."""
        self._write(_field(status_key), _EPOCH_SIZE + 1)

    def checkpointed(self, generation: int) -> None:
        """Move the mark to a generation that is in the database itself, and durable there."""
        self._write(_field(generation), _EPOCH_SIZE + 1 + _FIELD_SIZE + 1)

    def _write(self, content: bytes, at: int) -> None:
        with suppress(OSError):  # it notices less then, but what it says is still true
            os.pwrite(self._file, content, at)


def _field(number: int) -> bytes:
    return b"%0*d" % (_FIELD_SIZE, number)


def _parse(content: bytes) -> Mark | None:
    try:
        epoch, status_key, generation = content.decode().split()
        return Mark(epoch, int(status_key), int(generation))
    except ValueError:
        return None
