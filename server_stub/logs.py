"""The log of the relay's process: one line for each record, a limited number of them, and no waiting."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from queue import Full, Queue
from threading import Thread
from typing import Final

__all__ = ["configure_logs", "relay_handler"]

MAX_LINES: Final = 20
"""Lines of one kind in a period."""
PERIOD: Final = 10.0
"""Seconds."""
MAX_WAITING: Final = 1000
"""Records that wait to be written; more are dropped, and counted."""
FLUSH_TIMEOUT: Final = 1.0
"""Seconds that a process which ends waits for what is not written yet."""

_STDERR: Final = 2


class _OneLine(logging.Formatter):
    """Escapes line breaks and terminal control characters. (A traceback keeps its lines.)"""

    converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the name is the library's)
        message = record.message
        if not message.isprintable():
            escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
            record.message = "".join(escaped)
        return super().formatMessage(record)


class _Throttle(logging.Filter):
    """Lets `MAX_LINES` lines of one kind through in a period, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[object, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.msg
        now = time.monotonic()  # the time of the record goes back whenever the system's clock does
        since, lines = self._kinds.get(kind, (now, 0))
        if now - since >= PERIOD:
            if lines > MAX_LINES:
                record.msg = f"{record.msg} (and {lines - MAX_LINES} more like it before)"
            since, lines = now, 0
        self._kinds[kind] = since, lines + 1
        return lines < MAX_LINES


class _BackgroundHandler(logging.Handler):
    """Writes in a thread of its own, since a pipe that nobody reads would stop the relay otherwise."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._write = write
        self._texts: Queue[str] = Queue(MAX_WAITING)
        self._dropped = 0
        Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._texts.put_nowait(self.format(record))
        except Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until everything is written, for `FLUSH_TIMEOUT` at most. Called when the process ends."""
        written = self._texts.all_tasks_done
        with written:
            written.wait_for(lambda: not self._texts.unfinished_tasks, FLUSH_TIMEOUT)

    def _run(self) -> None:
        while True:
            text = self._texts.get()
            dropped, self._dropped = self._dropped, 0
            if dropped:
                text += f" (before it, {dropped} records were dropped: nobody read the log)"
            with contextlib.suppress(OSError):  # nobody is left to read it
                self._write(f"{text}\n".encode(errors="backslashreplace"))
            self._texts.task_done()


def _write_to_stderr(data: bytes) -> None:
    """Write all of it to the descriptor: a thread that waits in `sys.stderr` would keep its lock at exit."""
    while data:
        data = data[os.write(_STDERR, data) :]


def relay_handler(write: Callable[[bytes], object] = _write_to_stderr) -> logging.Handler:
    """Return a handler that writes to standard error."""
    handler = _BackgroundHandler(write)
    handler.addFilter(_Throttle())
    handler.setFormatter(_OneLine("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    return handler


def configure_logs() -> None:
    """Log to standard error from now on. The contents of frames are never logged, at any level."""
    logging.basicConfig(level=logging.INFO, handlers=[relay_handler()])
    logging.getLogger("websockets").setLevel(logging.INFO)
