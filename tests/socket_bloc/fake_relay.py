"""A relay that misbehaves as a test says: refuses handshakes, closes, sends invalid frames or nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from socket_bloc import ClientType
from socket_bloc.frames import SUBPROTOCOL, WelcomeFrame
from socket_bloc.session.disconnect import HttpRefused

WELCOME = WelcomeFrame(
    user_id="c-17", client_type=ClientType.CLIENT, epoch="e", after=0, head=0, resumed=False
).model_dump_json()

Answer = Callable[[ServerConnection], Awaitable[None]]


async def stay(connection: ServerConnection) -> None:
    """Send nothing more until the client disconnects."""
    await connection.wait_closed()


class FakeRelay:
    """Welcomes every client and then runs `answer`, unless `refusals` holds an HTTP answer."""

    def __init__(self, answer: Answer = stay) -> None:
        self.answer = answer
        self.refusals: list[HttpRefused] = []
        self.requests: list[Request] = []
        self.uri = ""

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self.refusals:
            return None
        refusal = self.refusals.pop(0)
        response = connection.respond(HTTPStatus(refusal.status), refusal.reason + "\n")
        if refusal.retry_after:
            response.headers["Retry-After"] = str(int(refusal.retry_after))
        return response

    async def handle(self, connection: ServerConnection) -> None:
        await connection.send(WELCOME)
        await self.answer(connection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeRelay]:
        quiet = logging.getLogger("tests.fake_relay")
        quiet.propagate = False  # its frames must not be mistaken for what the client logs
        async with serve(
            self.handle,
            "127.0.0.1",
            0,
            process_request=self.process_request,
            subprotocols=[SUBPROTOCOL],
            logger=quiet,
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.uri = f"ws://127.0.0.1:{port}/order"
            yield self
