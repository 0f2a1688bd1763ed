"""Checks on every test: no task may fail unnoticed, and none may be left running."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import settings

# The same examples in each run; `HYPOTHESIS_PROFILE=explore` looks for new ones, and takes longer.
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture
def loop_errors() -> list[dict[str, Any]]:
    """What reached the event loop's exception handler; a test that expects some clears the list."""
    return []


@pytest.fixture(autouse=True)
async def no_task_fails_or_is_left(loop_errors: list[dict[str, Any]]) -> AsyncIterator[None]:
    """Fail the test if a task of its loop is still running, or its loop has had an unhandled error."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: loop_errors.append(context))
    yield
    for _ in range(20):  # a cancelled task needs some iterations of the loop to end
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if not left:
            break
        await asyncio.sleep(0)
    gc.collect(1)  # a task that was dropped with its exception reports it when it is collected
    await asyncio.sleep(0)
    assert not left, f"tasks still running: {left}"
    assert not loop_errors, f"unhandled errors: {loop_errors}"
