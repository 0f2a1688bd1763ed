"""When Rx operators do their work inside a bloc."""

from __future__ import annotations

from typing import TypeVar

from reactivex.abc import DisposableBase, ScheduledAction
from reactivex.scheduler import CurrentThreadScheduler, ScheduledItem
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.typing import RelativeTime

__all__ = ["LoopScheduler"]

T = TypeVar("T")


class LoopScheduler(AsyncIOScheduler):
    """What takes no time is done at once, as by Rx's default; what takes time, on the loop.

    Rx's default would take a thread for the latter. The scheduler that it has for a loop does all things
    later, so that an operator such as `merge` misses what is emitted just after it was subscribed to.
    """

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        """Do it at once; from inside such an action, after that one."""
        item = ScheduledItem(self, state, action, self.now)
        CurrentThreadScheduler.singleton().get_trampoline().run(item)
        return item.disposable

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        """Do it on the loop; in the next turn where `duetime` is not above zero."""
        if self.to_seconds(duetime) > 0:
            return super().schedule_relative(duetime, action, state)
        return super().schedule(action, state)
