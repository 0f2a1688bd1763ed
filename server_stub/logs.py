"""The log of the relay's process: one line for each record, and a limited number of them."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["configure_logs", "relay_handler"]

MAX_LINES: Final = 20
"""Lines of one kind in a period."""
PERIOD: Final = 1.0
"""Seconds."""


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
        since, lines = self._kinds.get(kind, (record.created, 0))
        if record.created - since >= PERIOD:
            if lines > MAX_LINES:
                record.msg = f"{record.msg} (and {lines - MAX_LINES} more like it a moment ago)"
            since, lines = record.created, 0
        self._kinds[kind] = since, lines + 1
        return lines < MAX_LINES


def relay_handler() -> logging.Handler:
    """Return a handler that writes to standard error."""
    handler = logging.StreamHandler()
    handler.addFilter(_Throttle())
    handler.setFormatter(_OneLine("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    return handler


def configure_logs() -> None:
    """Log to standard error from now on. The contents of frames are never logged, at any level."""
    logging.basicConfig(level=logging.INFO, handlers=[relay_handler()])
    logging.getLogger("websockets").setLevel(logging.INFO)
