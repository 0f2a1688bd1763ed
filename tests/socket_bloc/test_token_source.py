"""The token: fixed or from a function, and the functions that fail, hang, or return what is no token."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from socket_bloc.token_source import Token, TokenSource
from tests.socket_bloc.waiting import TIMEOUT

INVALID = ["", "a b", "a\r\nX-Evil: b", "a\n", "a\0", "caf\xe9", "\u2028", " a", b"abc", 5]


async def fetch_token() -> str:
    return "abc.def"


@pytest.mark.parametrize(
    "token", ["abc.def", lambda: "abc.def", fetch_token], ids=["string", "function", "async"]
)
async def test_a_token_is_a_string_or_comes_from_a_function(token: Token) -> None:
    assert await TokenSource(token).ask() == "abc.def"


async def test_the_token_is_optional() -> None:
    assert await TokenSource(None).ask() is None


async def test_a_token_function_is_called_each_time() -> None:
    tokens = iter(["first", "second"])
    source = TokenSource(lambda: next(tokens))
    assert [await source.ask() for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize("token", [*INVALID, None])
async def test_what_is_no_token_is_an_error_that_does_not_quote_it(token: Any) -> None:
    with pytest.raises(ValueError, match=r"^token: it must be printable ASCII text without spaces$"):
        await TokenSource(lambda: token).ask()


@pytest.mark.parametrize("token", INVALID)
def test_a_fixed_token_that_is_invalid_is_an_error_at_once(token: Any) -> None:
    with pytest.raises(ValueError, match=r"^token: it must be printable ASCII text without spaces$"):
        TokenSource(token)


async def test_an_exception_of_the_token_function_is_raised() -> None:
    async def fails() -> str:
        raise LookupError("no keys")

    with pytest.raises(LookupError, match="no keys"):
        await TokenSource(fails).ask()


async def test_a_token_function_that_is_cancelled_is_an_error() -> None:
    async def is_cancelled() -> str:
        raise asyncio.CancelledError

    with pytest.raises(ConnectionAbortedError, match=r"^token: the function was cancelled$"):
        await TokenSource(is_cancelled).ask()


async def test_a_token_function_that_does_not_return_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket_bloc.token_source.TOKEN_TIMEOUT", 0.01)
    pending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError, match=r"^token: the function did not return within 0 s$"):
        await TokenSource(lambda: pending).ask()
    await asyncio.wait([pending], timeout=TIMEOUT)
    assert pending.cancelled()


@pytest.mark.parametrize("error", [None, LookupError("too late")])
async def test_a_token_function_that_ignores_its_cancellation_is_not_awaited(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    monkeypatch.setattr("socket_bloc.token_source.TOKEN_TIMEOUT", 0.01)
    is_cancelled, may_end = asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            is_cancelled.set()
        await may_end.wait()
        if error is not None:
            raise error
        return "abc.def"

    with pytest.raises(TimeoutError):
        await TokenSource(stubborn).ask()
    await asyncio.wait_for(is_cancelled.wait(), TIMEOUT)
    may_end.set()


async def test_the_token_is_not_logged_in_the_debug_mode_of_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # each callback is logged as a slow one
    with caplog.at_level(logging.DEBUG):
        assert await TokenSource(fetch_token).ask() == "abc.def"
        await asyncio.sleep(0)
    assert "token_source.py" in caplog.text
    assert "abc.def" not in caplog.text


async def test_an_attempt_that_is_cancelled_cancels_the_token_function() -> None:
    is_called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def token() -> str:
        is_called.set_result(None)
        return await pending

    attempt = asyncio.create_task(TokenSource(token).ask())
    await is_called
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await asyncio.wait([pending], timeout=TIMEOUT)
    assert pending.cancelled()
