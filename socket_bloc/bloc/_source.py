"""One source that a handler listens to: an Observable, or an async iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable

from socket_bloc.bloc._scheduler import LoopScheduler
from socket_bloc.bloc._work import Work

__all__ = ["Feed"]

T = TypeVar("T")


class Feed(Generic[T]):
    """Subscribed at once; `ended` is done when the source is, and to cancel it ends the subscription."""

    def __init__(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], None],
        on_error: Callable[[Exception], None] | None,
        work: Work[Any, Any],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._on_data = on_data
        self._on_error = on_error
        if isinstance(source, Observable):
            scheduler = LoopScheduler(loop)
            subscription = source.subscribe(self._next, self._fail, self._end, scheduler=scheduler)
            self.ended.add_done_callback(lambda _: subscription.dispose())
        else:
            task = loop.create_task(self._pump(aiter(source)))
            work.own(task)
            task.add_done_callback(work.disown)
            self.ended.add_done_callback(lambda ended: ended.cancelled() and task.cancel())

    def _next(self, item: T) -> None:
        if not self.ended.done():
            try:
                self._on_data(item)
            except Exception as error:
                self._end(error)

    def _fail(self, error: Exception) -> None:
        if self._on_error is None or self.ended.done():
            self._end(error)
        else:
            try:
                self._on_error(error)
            except Exception as another:
                self._end(another)
            else:
                self._end()

    def _end(self, error: Exception | None = None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    async def _pump(self, source: AsyncIterator[T]) -> None:
        try:
            async for item in source:
                self._next(item)
                if self.ended.done():
                    break
        except Exception as error:
            self._fail(error)
        else:
            self._end()
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
