from __future__ import annotations

import logging
import os
from collections.abc import Callable
from threading import Event

import pytest

from server_stub import logs
from server_stub.logs import configure_logs, relay_handler

TIMEOUT = 30


class Log:
    """A separate logger with the relay's handler, and the lines that it has written since the last time."""

    def __init__(self, before_write: Callable[[], object] = lambda: None) -> None:
        self._before_write = before_write
        self._written = bytearray()
        self._handler = relay_handler(self._write)
        self.logger = logging.Logger("test")
        self.logger.addHandler(self._handler)

    def _write(self, data: bytes) -> None:
        self._before_write()
        self._written += data

    def lines(self) -> list[str]:
        self._handler.flush()
        lines = self._written.decode().split("\n")[:-1]
        self._written.clear()
        return lines


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", TIMEOUT)
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
    assert line.endswith(f"refused 1000 (and {1000 - logs.MAX_LINES} more like it before)")


def test_the_systems_clock_has_no_part_in_throttling(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for _ in range(logs.MAX_LINES):
        log.logger.info("refused")
    log.lines()
    monkeypatch.setattr("time.time", lambda: 0.0)  # back by decades
    now += logs.PERIOD
    log.logger.info("refused")
    assert len(log.lines()) == 1


def test_logging_never_waits_for_the_reader_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", 0.01)
    is_read, is_writing = Event(), Event()

    def wait() -> None:
        is_writing.set()
        assert is_read.wait(TIMEOUT)

    log = Log(wait)
    log.logger.info("first")
    assert is_writing.wait(TIMEOUT)
    for number in range(logs.MAX_WAITING + 7):
        log.logger.info(f"line {number}")
    assert log.lines() == []  # and it ends no later than `FLUSH_TIMEOUT`
    is_read.set()
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", TIMEOUT)
    lines = log.lines()
    assert len(lines) == 1 + logs.MAX_WAITING
    assert lines[1].endswith("line 0 (before it, 7 records were dropped: nobody read the log)")
    assert lines[-1].endswith(f"line {logs.MAX_WAITING - 1}")


def test_a_log_that_cannot_be_written_is_ignored(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(log, "_before_write", fail)
    log.logger.info("lost")
    assert log.lines() == []
    monkeypatch.setattr(log, "_before_write", lambda: None)
    log.logger.info("written")
    assert len(log.lines()) == 1


def test_the_log_goes_to_standard_error_however_little_it_takes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[tuple[int, bytes]] = []

    def write(descriptor: int, data: bytes) -> int:
        written.append((descriptor, data[:10]))
        return len(data[:10])

    handler = relay_handler()
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", TIMEOUT)
    monkeypatch.setattr(os, "write", write)
    handler.handle(logging.LogRecord("test", logging.INFO, "", 0, "a line", (), None))
    handler.flush()
    monkeypatch.undo()
    assert {descriptor for descriptor, _ in written} == {2}
    assert b"".join(data for _, data in written).endswith(b"a line\n")


def test_the_contents_of_frames_are_logged_at_no_level() -> None:
    configure_logs()
    assert not logging.getLogger("websockets.server").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("server_stub.websockets").isEnabledFor(logging.INFO)
