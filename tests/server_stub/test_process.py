from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from server_stub import process


@pytest.fixture
async def loop() -> AsyncIterator[asyncio.AbstractEventLoop]:
    """A loop that reports as that of a relay's process does."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(process._log_in_one_line)
    yield loop
    loop.set_exception_handler(None)


async def test_a_failed_system_call_is_logged_in_one_line(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    error = OSError(24, "Too many open files")
    loop.call_exception_handler({"message": "accept() failed", "exception": error})
    assert caplog.messages == ["accept() failed: [Errno 24] Too many open files"]
    assert "Traceback" not in caplog.text


async def test_any_other_exception_is_a_bug_and_is_logged_with_its_traceback(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.call_soon(lambda: 1 // 0)
    await asyncio.sleep(0)
    (message,) = caplog.messages
    assert message.startswith("Exception in callback")
    assert "ZeroDivisionError" in caplog.text


async def test_a_report_without_an_exception_is_its_message(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.call_exception_handler({"message": "a task was destroyed"})
    assert caplog.messages == ["a task was destroyed"]
    assert "Traceback" not in caplog.text
