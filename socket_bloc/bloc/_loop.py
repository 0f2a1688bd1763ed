"""What a bloc needs from the event loop: time slices, error reports, an Rx scheduler, an awaitable close."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Iterator
from time import monotonic
from typing import Any, Final, ParamSpec, TypeVar

from reactivex.abc import DisposableBase, ScheduledAction
from reactivex.scheduler import CurrentThreadScheduler, ScheduledItem
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.typing import RelativeTime

__all__ = ["MAX_SECONDS", "MAX_STEPS", "Closing", "LoopScheduler", "report", "safely", "time_slice"]

P = ParamSpec("P")
T = TypeVar("T")

MAX_STEPS: Final = 512
MAX_SECONDS: Final = 0.010

_logger = logging.getLogger(__name__)


def time_slice() -> Iterator[None]:
    """Count the steps of one iteration of the loop; ends after `MAX_STEPS` or `MAX_SECONDS`."""
    end = monotonic() + MAX_SECONDS
    for _ in range(MAX_STEPS):
        yield
        if monotonic() >= end:
            return


def report(message: str, error: BaseException) -> None:
    """Report an error that no caller can be given to the running loop's exception handler, or else the log.

    The message names types only, since it ends up in logs; events and states may be confidential.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _logger.error(message, exc_info=error)
    else:
        loop.call_exception_handler({"message": message, "exception": error})


def safely(hook: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a hook whose failure must not stop the caller."""
    try:
        hook(*args, **kwargs)
    except Exception as error:
        report(f"{getattr(hook, '__qualname__', hook)} failed", error)


class Closing(Awaitable[None]):
    """Can be awaited any number of times; cancelling a waiter does not cancel the closing."""

    def __init__(self, task: asyncio.Task[None], before_waiting: Callable[[], None]) -> None:
        self._task = task
        self._before_waiting = before_waiting

    def __await__(self) -> Generator[Any, None, None]:
        self._before_waiting()
        return asyncio.shield(self._task).__await__()


class LoopScheduler(AsyncIOScheduler):
    """Runs what is due immediately at once, as Rx's default scheduler does, and everything else on the loop.

    Rx's default would start a thread for the latter. Its scheduler for a loop defers everything, so that
    an operator such as `merge` misses what is emitted just after it was subscribed to.
    """

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Run the action at once; from inside another action, after that one."""
        item = ScheduledItem(self, state, action, self.now)
        CurrentThreadScheduler.singleton().get_trampoline().run(item)
        return item.disposable

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Run the action on the loop; in its next iteration if `duetime` is not above zero."""
        if self.to_seconds(duetime) > 0:
            return super().schedule_relative(duetime, action, state)
        return super().schedule(action, state)
