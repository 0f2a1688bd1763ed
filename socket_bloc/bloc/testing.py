"""`bloc_test` builds a bloc, acts on it, and compares its states to the expected ones; in any test runner."""

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
"""Seconds that a bloc has to become idle by itself."""

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
    """Test one bloc or cubit, from its creation to its close. (Dart: `blocTest`)

    Args:
        build: Creates the bloc.
        seed: A state, or a function that returns one: emitted before anything else, and not compared.
        act: Called with the bloc, to act on it; may be async.
        wait: Seconds to wait after `act`. If None, waits until no event is pending and no handler is
            running, at most `IDLE_TIMEOUT`; so a handler that listens to an endless source needs a `wait`.
        skip: The number of states to leave out at the start of the comparison.
        expect: The states that the bloc emits until it has closed, or a function that returns them, which
            may be async. None compares nothing.
        verify: Called with the closed bloc, after the comparison; may be async. Returning False fails the
            test.
        errors: The errors that reach `on_error` or that `act` raises, in order; a type matches any of its
            instances. If None, every unhandled error fails the test.

    Raises:
        AssertionError: The states or the errors differ from the expected ones; shows the difference.
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
                    await _awaited(act(bloc))
                except Exception as error:
                    if errors is None:
                        raise
                    found.on_error(bloc, error)
            if wait is None:
                hint = await _wait_until_idle(bloc)
            else:
                await asyncio.sleep(wait)
        finally:
            await bloc.close()
    found.raise_unhandled(except_reported=errors is not None)
    if expect is not None:
        expected = await _resolve(expect)
        actual = states[skip:]
        if expected != actual:
            raise AssertionError(f"the states are not as expected\n{_difference(expected, actual)}{hint}")
    if verify is not None and await _awaited(verify(bloc)) is False:
        raise AssertionError("verify returned False")
    if errors is not None:
        expected = list(errors() if callable(errors) else errors)
        if not _match(expected, found.reported):
            difference = _difference(expected, found.reported)
            raise AssertionError(f"the errors are not as expected\n{difference}{hint}")


class _Errors(BlocObserver):
    """Collects the reported errors of all blocs, and the unhandled ones, while it is entered."""

    def __init__(self) -> None:
        self.reported: list[Exception] = []
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
        if not self._is_reported(error):  # `add` reports an error, and then raises it in `act`
            self.reported.append(error)

    def raise_unhandled(self, *, except_reported: bool) -> None:
        """Raise the first unhandled error, except those reported to `on_error` if these are expected."""
        for error in self._unhandled:
            if not (except_reported and self._is_reported(error)):
                raise error

    def _is_reported(self, error: BaseException) -> bool:
        return any(error is other for other in self.reported)

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self._unhandled.append(error)
        else:
            loop.default_exception_handler(context)


async def _wait_until_idle(bloc: BlocBase[Any]) -> str:
    """Return a hint for the message of a failure, if the bloc does not become idle in time."""
    try:
        async with asyncio.timeout(IDLE_TIMEOUT):
            await bloc.wait_until_idle()
    except TimeoutError:
        return f"\nThe bloc was still at work after {IDLE_TIMEOUT} s; say how long to `wait` for it."
    return ""


async def _awaited(result: object) -> object:
    return await result if inspect.isawaitable(result) else result


async def _resolve(expect: Expected) -> list[object]:
    expected = expect() if callable(expect) else expect
    return list(await expected if isinstance(expected, Awaitable) else expected)


def _match(expected: Sequence[ExpectedError], reported: Sequence[Exception]) -> bool:
    return len(expected) == len(reported) and all(map(_matches, expected, reported))


def _matches(expected: ExpectedError, error: Exception) -> bool:
    if isinstance(expected, type):
        return isinstance(error, expected)
    return type(error) is type(expected) and error.args == expected.args


def _difference(expected: Sequence[object], actual: Sequence[object]) -> str:
    """Compare line by line: a missing item has a minus, an unexpected one a plus."""
    wanted, found = ([_text(item) for item in items] for items in (expected, actual))
    if wanted == found:
        hint = "They look the same, but are not equal; compare by value, as a frozen dataclass does."
        return "\n".join([*wanted, hint])
    return "\n".join(["- expected", "+ actual", "", *difflib.ndiff(wanted, found)])


def _text(item: object) -> str:
    return item.__name__ if isinstance(item, type) else repr(item)
