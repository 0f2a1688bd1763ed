"""How the relay's process writes its log: one line for each record, and never a flood."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["configure_logs"]

_LINES: Final = 20
_SECONDS: Final = 1.0


class _OneLine(logging.Formatter):
    """Escapes what would start a line of its own, or speak to the terminal. (A traceback keeps its lines.)"""

    converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        record.msg = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
        record.args = None
        return super().format(record)


class _Throttle(logging.Filter):
    """Lets so many lines of one kind through in a second, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[object, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.msg
        since, lines = self._kinds.get(kind, (record.created, 0))
        if record.created - since >= _SECONDS:
            if lines > _LINES:
                record.msg = f"{record.msg} (and {lines - _LINES} more like it a moment ago)"
            since, lines = record.created, 0
        self._kinds[kind] = since, lines + 1
        return lines < _LINES


def configure_logs() -> None:
    """Write to standard error from now on. Nobody's frames are logged, at no level."""
    handler = logging.StreamHandler()
    handler.addFilter(_Throttle())
    handler.setFormatter(_OneLine("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("websockets").setLevel(logging.INFO)
