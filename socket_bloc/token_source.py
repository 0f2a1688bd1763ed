"""The bearer token of an attempt: a fixed one, or what a function of the user returns.

The token itself is in no exception that is raised here.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Token", "TokenSource"]

Token = str | Callable[[], str | Awaitable[str]] | None
"""The bearer token, or a function (possibly async) that returns it, called for each attempt."""

TOKEN_TIMEOUT: Final = 10.0
"""Seconds that an async token function may take."""


class TokenSource:
    """Where the token of each attempt comes from."""

    def __init__(self, token: Token) -> None:
        """Raises `ValueError` if `token` is neither a valid token nor a function."""
        self._function = token if callable(token) else None
        self._fixed = None if token is None or callable(token) else _checked(token)
        self._calls: set[asyncio.Task[None]] = set()

    async def ask(self) -> str | None:
        """Return the token for this attempt, or None if there is none.

        Raises what the function raises, `ValueError` if what it returns is invalid, and `TimeoutError` if
        it does not return.
        """
        if self._function is None:
            return self._fixed
        value: object = self._function()
        if inspect.isawaitable(value):
            value = await self._within_time(value)
        return _checked(value)

    async def _within_time(self, value: Awaitable[object]) -> object:
        # A task of its own, and cancelled but not awaited: it may ignore that it is cancelled, and neither
        # this attempt nor `close` waits for it then.
        returned: list[object] = []
        call = asyncio.get_running_loop().create_task(_collect(value, returned))
        self._calls.add(call)
        call.add_done_callback(self._forget)
        try:
            await asyncio.wait([call], timeout=TOKEN_TIMEOUT)
        finally:
            call.cancel()
        if not call.done():
            raise TimeoutError(f"token: the function did not return within {TOKEN_TIMEOUT:.0f} s")
        if call.cancelled():
            raise ConnectionAbortedError("token: the function was cancelled")
        call.result()
        return returned.pop()

    def _forget(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # retrieved, so that asyncio does not report what nobody awaits any more


async def _collect(value: Awaitable[object], returned: list[object]) -> None:
    # Not the result of the task: asyncio, in its debug mode, logs that of a task that was slow.
    returned.append(await value)


def _checked(token: object) -> str:
    if not (
        isinstance(token, str) and token and token.isascii() and token.isprintable() and " " not in token
    ):
        raise ValueError("token: it must be printable ASCII text without spaces")
    return token
