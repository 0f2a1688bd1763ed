"""A source that a handler listens to: an Observable or an async iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from typing import Generic, TypeVar

from reactivex import Observable

from socket_bloc.bloc._loop import LoopScheduler

__all__ = ["Source"]

T = TypeVar("T")


class Source(Generic[T]):
    """Subscribes at once. `ended` is done when the source is; cancelling it ends the subscription."""

    def __init__(
        self,
        source: Observable[T] | AsyncIterable[T],
        on_data: Callable[[T], None],
        on_error: Callable[[Exception], None] | None,
        own: Callable[[asyncio.Task[None]], None],
    ) -> None:
        """`own` is given the task that reads an async iterable, to keep until it is done."""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._on_data = on_data
        self._on_error = on_error
        if isinstance(source, Observable):
            scheduler = LoopScheduler(loop)
            subscription = source.subscribe(self._next, self._fail, self._end, scheduler=scheduler)
            self.ended.add_done_callback(lambda _: subscription.dispose())
        else:
            task = loop.create_task(self._read(aiter(source)))
            own(task)
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

    async def _read(self, source: AsyncIterator[T]) -> None:
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
