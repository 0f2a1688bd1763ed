"""`bloc_test`: build a bloc, act on it, and compare its states with those expected. For any test runner."""

from __future__ import annotations

import asyncio
import difflib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Self, TypeAlias, TypeVar

from socket_bloc.bloc.bloc import Bloc, BlocBase, BlocObserver
from socket_bloc.bloc.observer import MultiBlocObserver

__all__ = ["IDLE_TIMEOUT", "bloc_test"]

IDLE_TIMEOUT: Final = 1.0
"""Seconds that a bloc has to come to rest by itself."""

B = TypeVar("B", bound=BlocBase[Any])
Expected: TypeAlias = Sequence[object] | Callable[[], Sequence[object] | Awaitable[Sequence[object]]]
ExpectedError: TypeAlias = Exception | type[Exception]


async def bloc_test(
    *,
    build: Callable[[], B],
    seed: object | Callable[[], object] = None,
    act: Callable[[B], object] | None = None,
    wait: float | None = None,
    skip: int = 0,
    expect: Expected | None = None,
    verify: Callable[[B], object] | None = None,
    errors: Sequence[ExpectedError] | Callable[[], Sequence[ExpectedError]] | None = None,
) -> None:
    """Test one bloc or cubit, from its making to its close. (Dart: `blocTest`)

    Args:
        build: Makes the bloc.
        seed: A state, or a function that gives one: emitted before anything else, and not compared.
        act: Is given the bloc to act on; may be async.
        wait: Seconds to wait after `act`. If None, until no event waits and no handler is at work, but no
            longer than `IDLE_TIMEOUT`: so a handler that listens to an endless source needs a `wait`.
        skip: How many of the first states to leave out of the comparison.
        expect: The states that the bloc emits until it has been closed, or a function that gives them,
            which may be async. None compares nothing.
        verify: Is given the closed bloc, after the comparison; may be async. To give False fails the test.
        errors: What `on_error` is told, and what `act` raises, in this order: a type stands for any of its
            instances. None fails the test where anything is raised that nobody handles.

    Raises:
        AssertionError: The states or the errors are not as expected; shows the difference.
    """
    states: list[object] = []
    hint = ""
    with _Errors() as found:
        bloc = build()
        try:
            if seed is not None:
                bloc.emit(seed() if callable(seed) else seed)
            bloc.stream.subscribe(states.append)
            if act is not None:
                try:
                    await _finish(act(bloc))
                except Exception as error:
                    if errors is None:
                        raise
                    found.on_error(bloc, error)
            if wait is not None:
                await asyncio.sleep(wait)
            elif not await _has_come_to_rest(bloc):
                hint = f"\nThe bloc was still at work after {IDLE_TIMEOUT} s; say how long to `wait` for it."
        finally:
            await bloc.close()
    found.raise_unhandled(but_not_told=errors is not None)
    if expect is not None:
        expected = await _listed(expect)
        actual = states[skip:]
        if expected != actual:
            raise AssertionError(f"the states are not as expected\n{_difference(expected, actual)}{hint}")
    if verify is not None and await _finish(verify(bloc)) is False:
        raise AssertionError("verify gave False")
    if errors is not None:
        expected = list(errors() if callable(errors) else errors)
        if not _match(expected, found.told):
            raise AssertionError(f"the errors are not as expected\n{_difference(expected, found.told)}{hint}")


class _Errors(BlocObserver):
    """Collects the errors of all blocs, and those that nobody handles, for as long as it is entered."""

    def __init__(self) -> None:
        self.told: list[Exception] = []
        self._unhandled: list[BaseException] = []
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        self._observer = Bloc.observer
        self._handler = self._loop.get_exception_handler()
        Bloc.observer = MultiBlocObserver([self._observer, self])
        self._loop.set_exception_handler(self._on_unhandled)
        return self

    def __exit__(self, *_: object) -> None:
        Bloc.observer = self._observer
        self._loop.set_exception_handler(self._handler)

    def on_error(self, bloc: BlocBase[Any], error: Exception) -> None:
        if all(error is not other for other in self.told):  # `add` tells it, and then raises it in `act`
            self.told.append(error)

    def raise_unhandled(self, *, but_not_told: bool) -> None:
        """Raise the first error that nobody handled; of those that `on_error` was told, only if asked to."""
        for error in self._unhandled:
            if not (but_not_told and any(error is other for other in self.told)):
                raise error

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self._unhandled.append(error)
        else:
            loop.default_exception_handler(context)


async def _has_come_to_rest(bloc: BlocBase[Any]) -> bool:
    try:
        async with asyncio.timeout(IDLE_TIMEOUT):
            await bloc.wait_until_idle()
    except TimeoutError:
        return False
    return True


async def _finish(result: object) -> object:
    return await result if inspect.isawaitable(result) else result


async def _listed(expect: Expected) -> list[object]:
    expected = expect() if callable(expect) else expect
    return list(await expected if isinstance(expected, Awaitable) else expected)


def _match(expected: Sequence[ExpectedError], told: Sequence[Exception]) -> bool:
    return len(expected) == len(told) and all(map(_matches, expected, told))


def _matches(expected: ExpectedError, error: Exception) -> bool:
    if isinstance(expected, type):
        return isinstance(error, expected)
    return type(error) is type(expected) and error.args == expected.args


def _difference(expected: Sequence[object], actual: Sequence[object]) -> str:
    """Line by line: what is missing has a minus, what is too much a plus."""
    wanted, found = ([_text(item) for item in items] for items in (expected, actual))
    if wanted == found:
        hint = "They look the same, but are not equal; compare by value, as a frozen dataclass does."
        return "\n".join([*wanted, hint])
    return "\n".join(["- expected", "+ actual", "", *difflib.ndiff(wanted, found)])


def _text(item: object) -> str:
    return item.__name__ if isinstance(item, type) else repr(item)
