"""`Broadcast` by itself: one order for all observers, whatever one of them does."""

from __future__ import annotations

from typing import Any

from socket_bloc.bloc import Broadcast
from tests.socket_bloc.bloc.blocs import DONE


def observe(stream: Broadcast[Any]) -> list[Any]:
    """Return a list that collects what the stream delivers from now on, with `DONE` at the completion."""
    items: list[Any] = []
    stream.observable.subscribe(items.append, on_completed=lambda: items.append(DONE))
    return items


def test_every_observer_gets_what_is_pushed_after_it_subscribed() -> None:
    stream = Broadcast[int]("numbers")
    early = observe(stream)
    stream.push(1)
    late = observe(stream)
    stream.push(2)
    assert (early, late) == ([1, 2], [2])


def test_items_pushed_by_an_observer_reach_all_observers_in_the_same_order() -> None:
    stream = Broadcast[int]("numbers")
    stream.observable.subscribe(lambda item: stream.push(item + 1) if item < 3 else stream.complete())
    items = observe(stream)
    stream.push(1)
    assert items == [1, 2, 3, DONE]


def test_after_the_completion_nothing_is_delivered_and_a_new_observer_only_completes() -> None:
    stream = Broadcast[int]("numbers")
    early = observe(stream)
    stream.complete()
    stream.push(1)
    assert stream.is_completed
    assert early == observe(stream) == [DONE]


async def test_the_error_of_an_observer_is_reported_with_the_name_of_the_stream(
    loop_errors: list[dict[str, Any]],
) -> None:
    def fail(item: int) -> None:
        raise ValueError(item)

    stream = Broadcast[int]("numbers")
    stream.observable.subscribe(fail)
    items = observe(stream)
    stream.push(1)
    assert items == [1]
    (report,) = loop_errors
    assert report["message"] == "an observer of numbers failed"
    assert repr(report["exception"]) == "ValueError(1)"
    loop_errors.clear()
