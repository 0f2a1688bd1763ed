"""The token of a socket: asked for at each attempt, never repeated, and functions that fail or hang."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from socket_bloc import (
    ClientType,
    OrderStatus,
    SocketBloc,
    SocketConnectEvent,
    SocketConnectState,
    SocketReconnectingState,
    SocketRefusedState,
    StatusCode,
)
from socket_bloc.session.disconnect import HttpRefused
from tests.socket_bloc.fake_relay import FakeRelay
from tests.socket_bloc.waiting import TIMEOUT, StateRecorder, connected

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="private words")
SECRET = "top-secret-token"


@pytest.fixture
async def relay() -> AsyncIterator[FakeRelay]:
    async with FakeRelay().running() as relay:
        yield relay


@pytest.fixture
async def make_client(relay: FakeRelay) -> AsyncIterator[Callable[..., SocketBloc]]:
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> SocketBloc:
            bloc = SocketBloc("c-17", ClientType.CLIENT, uri=relay.uri, **options)
            stack.push_async_callback(bloc.close)
            return bloc

        yield make


def tokens_of(relay: FakeRelay) -> list[str]:
    return [request.headers["Authorization"].removeprefix("Bearer ") for request in relay.requests]


async def test_after_a_401_one_more_token_is_tried(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    relay.refusals += [HttpRefused(401, "expired"), HttpRefused(401, "expired")]
    tokens = iter(["old", "new", "never"])

    async def token() -> str:
        return next(tokens)

    client = make_client(token=token)
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    await recorder.until(SocketRefusedState)
    assert tokens_of(relay) == ["old", "new"]
    assert next(tokens) == "never"


async def test_after_a_4001_the_next_token_resumes(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    async def expire(connection: ServerConnection) -> None:
        await connection.close(4001, "token expired")

    relay.answer = expire
    tokens = iter(["old", "new"])
    client = make_client(token=lambda: next(tokens))
    recorder = await connected(client)
    lost = await recorder.until(SocketReconnectingState)
    assert lost.reason == "closed with 4001: token expired"
    await recorder.until(SocketConnectState, 2)
    assert tokens_of(relay) == ["old", "new"]
    assert "since=0" in relay.requests[1].path


async def test_a_token_function_that_fails_is_reported_and_called_again(
    relay: FakeRelay, make_client: Callable[..., SocketBloc]
) -> None:
    errors: list[Exception] = []
    answers: list[Any] = [ZeroDivisionError("no key"), "", "a\r\nX-Evil: b", "caf\xe9", b"abc", None, "good"]

    def token() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = make_client(token=token)
    client.on_error = errors.append
    recorder = StateRecorder(client)
    for _ in range(len(answers)):  # a connect event during a back-off tries at once
        attempts = len(errors) + len(relay.requests)
        client.add(SocketConnectEvent())
        await recorder.wait(lambda attempts=attempts: len(errors) + len(relay.requests) > attempts)
    await recorder.until(SocketConnectState)
    assert [str(error) for error in errors] == [
        "no key",
        *["token: it must be printable ASCII text without spaces"] * 5,
    ]
    reasons = [state.reason for state in recorder.of(SocketReconnectingState)]
    assert reasons[:2] == [
        "could not get the token: ZeroDivisionError",
        "could not get the token: ValueError",
    ]
    assert tokens_of(relay) == ["good"]


async def test_a_token_function_that_never_returns_is_a_failed_attempt(
    relay: FakeRelay, make_client: Callable[..., SocketBloc], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket_bloc.token_source.TOKEN_TIMEOUT", 0.01)
    pending: list[asyncio.Future[str]] = []

    async def token() -> str:
        if pending:
            return "good"
        pending.append(asyncio.get_running_loop().create_future())
        return await pending[0]

    client = make_client(token=token)
    errors: list[Exception] = []
    client.on_error = errors.append
    recorder = await connected(client)
    assert [str(error) for error in errors] == ["token: the function did not return within 0 s"]
    assert recorder.of(SocketReconnectingState)[0].reason == "could not get the token: TimeoutError"
    assert pending[0].cancelled()
    assert tokens_of(relay) == ["good"]


async def test_a_token_function_that_ignores_its_cancellation_does_not_delay_the_close(
    make_client: Callable[..., SocketBloc],
) -> None:
    is_called, may_end = asyncio.Event(), asyncio.Event()

    async def token() -> str:
        is_called.set()
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    client = make_client(token=token)
    client.add(SocketConnectEvent())
    await asyncio.wait_for(is_called.wait(), TIMEOUT)
    await asyncio.wait_for(client.close(), TIMEOUT)
    may_end.set()


def test_an_invalid_token_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"^token: ") as caught:
        SocketBloc("c-17", ClientType.CLIENT, token="top secret token")
    assert "secret" not in str(caught.value)


async def test_neither_the_token_nor_a_message_is_logged(
    make_client: Callable[..., SocketBloc], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "socket_bloc.websocket"):
        client = make_client(token=SECRET)
        await connected(client)
        client.send_order_status(PLACED)
        await client.close()
    assert SECRET not in caplog.text
    assert "private words" not in caplog.text


async def test_a_relay_that_repeats_the_token_does_not_get_it_into_a_state_or_a_log(
    relay: FakeRelay, make_client: Callable[..., SocketBloc], caplog: pytest.LogCaptureFixture
) -> None:
    async def expire(connection: ServerConnection) -> None:
        await connection.close(4001, f"{SECRET} has expired")

    relay.answer = expire
    client = make_client(token=lambda: SECRET)
    recorder = StateRecorder(client)
    with caplog.at_level(logging.DEBUG):
        client.add(SocketConnectEvent())
        await recorder.until(SocketReconnectingState)
        relay.refusals.append(HttpRefused(403, f"{SECRET} is for another user"))
        refused = await recorder.until(SocketRefusedState)
    assert refused.reason == "refused with HTTP 403: [token] is for another user"
    assert SECRET not in caplog.text
    assert SECRET not in repr(recorder.states)
