"""A thread that runs one job at a time, and reports back to the event loop.

It is a daemon, unlike the threads of `concurrent.futures`: a commit that hangs in a broken disk must not
keep the process from exiting. It also costs half of what `run_in_executor` does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

__all__ = ["CommitThread"]

_Job = tuple[Callable[[], None], Callable[[Exception | None], None]]


class CommitThread:
    """Runs jobs in order, until `stop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is where the callbacks run."""
        self._loop = loop
        self._jobs: Final[SimpleQueue[_Job | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        """Run `job` in the thread, then `done` in the event loop, with the exception of `job` or None."""
        self._jobs.put((job, done))

    def stop(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the queued jobs, and return whether the thread has ended."""
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (next_job := self._jobs.get()) is not None:
            job, done = next_job
            problem: Exception | None = None
            try:
                job()
            except Exception as error:
                problem = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits for it
                self._loop.call_soon_threadsafe(done, problem)
