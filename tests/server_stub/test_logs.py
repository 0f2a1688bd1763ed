from __future__ import annotations

import io
import logging

import pytest

from server_stub import logs
from server_stub.logs import configure_logs, relay_handler


class Log:
    """A separate logger with the relay's handler, and the lines that it has written since the last time."""

    def __init__(self) -> None:
        handler = relay_handler()
        assert isinstance(handler, logging.StreamHandler)
        self._stream = handler.stream = io.StringIO()
        self.logger = logging.Logger("test")
        self.logger.addHandler(handler)

    def lines(self) -> list[str]:
        lines = self._stream.getvalue().split("\n")[:-1]
        self._stream.seek(0)
        self._stream.truncate()
        return lines


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_record_is_one_line_whatever_its_message(log: Log) -> None:
    log.logger.warning("odd: %s", "a\r\nb\x1b[31m\u2028\u202e ü 😀")
    (line,) = log.lines()
    assert line.endswith(r" WARNING odd: a\r\nb\x1b[31m\u2028\u202e ü 😀")


def test_a_traceback_keeps_its_lines(log: Log) -> None:
    try:
        raise ZeroDivisionError("no")
    except ZeroDivisionError:
        log.logger.exception("failed")
    first, *_, last = log.lines()
    assert first.endswith(" ERROR failed")
    assert last == "ZeroDivisionError: no"


def test_a_flood_of_one_kind_is_throttled_and_counted(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1000):
        log.logger.info("refused %d", number)
    log.logger.info("something else")
    lines = log.lines()
    assert len(lines) == logs.MAX_LINES + 1
    assert lines[-1].endswith("something else")
    monkeypatch.setattr(logs, "PERIOD", 0)
    log.logger.info("refused %d", 1000)
    (line,) = log.lines()
    assert line.endswith(f"refused 1000 (and {1000 - logs.MAX_LINES} more like it a moment ago)")


def test_the_contents_of_frames_are_logged_at_no_level() -> None:
    configure_logs()
    assert not logging.getLogger("websockets.server").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("server_stub.websockets").isEnabledFor(logging.INFO)
