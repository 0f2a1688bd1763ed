"""Whole orders between two blocs while the relay is killed again and again: nothing is lost or duplicated."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from socket_bloc import (
    ClientType,
    OrderStatus,
    SocketBloc,
    SocketConnectState,
    SocketDataSentState,
    SocketReceiveDataState,
    StatusCode,
)
from tests.socket_bloc.waiting import StateRecorder

ORDERS = 40
CRASHES = 3
ANSWERS = {
    StatusCode.PLACED: StatusCode.ACCEPTED,
    StatusCode.STARTED: StatusCode.ORDER_CHANGED,
    StatusCode.PAYMENT: StatusCode.PAYMENT_VERIFICATION,
}
WHOLE_ORDER = 8


class Serviceman(SocketBloc):
    """Answers each status that is his to answer."""

    def receive_order_status(self, order_status: OrderStatus) -> None:
        answer = ANSWERS.get(StatusCode(order_status.order_status_as_int))
        if answer is not None:
            self.send_order_status(OrderStatus.of(answer, order_id=order_status.order_id or ""))


class Client(Serviceman):
    """Continues each order when it is the client's turn."""

    def receive_order_status(self, order_status: OrderStatus) -> None:
        following = {
            StatusCode.ACCEPTED: StatusCode.STARTED,
            StatusCode.ORDER_CHANGED: StatusCode.EXTENDED,
            StatusCode.PAYMENT_VERIFICATION: StatusCode.ORDER_COMPLETE,
        }[StatusCode(order_status.order_status_as_int)]
        order_id = order_status.order_id or ""
        self.send_order_status(OrderStatus.of(following, order_id=order_id))
        if following is StatusCode.EXTENDED:
            self.send_order_status(OrderStatus.of(StatusCode.PAYMENT, order_id=order_id))


@asynccontextmanager
async def relay_process(folder: Path, port: int) -> AsyncIterator[int]:
    """Run the installed relay, yield its port, and kill it with SIGKILL in the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server_stub", "--port", str(port), "--rate-limit", "0"),
        *("--database", f"sqlite:///{folder}/orders.db"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        yield int(line.rpartition(":")[2].partition("/")[0])
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


def feed_of(recorder: StateRecorder) -> list[tuple[int, str]]:
    """Return (seq, message id) of each status of the feed."""
    feed = [
        state for state in recorder.states if isinstance(state, SocketDataSentState | SocketReceiveDataState)
    ]
    return [(state.seq, state.message_id) for state in feed]


async def test_no_status_is_lost_or_duplicated_while_the_relay_is_killed_in_mid_order(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        port = await first.enter_async_context(relay_process(tmp_path, 0))
        uri = f"ws://127.0.0.1:{port}/order"
        serviceman = Serviceman("s-4", ClientType.SERVICEMAN, uri=uri)
        client = Client("c-17", ClientType.CLIENT, uri=uri)
        s, c = StateRecorder(serviceman), StateRecorder(client)
        await stack.enter_async_context(serviceman)
        await stack.enter_async_context(client)
        for number in range(ORDERS):
            client.send_order_status(
                OrderStatus.of(StatusCode.PLACED, order_id=f"o-{number}", receiver_id="s-4")
            )
        relay = first
        for crash in range(1, CRASHES + 1):
            enough = crash * ORDERS * WHOLE_ORDER // (CRASHES + 1)
            await c.wait(lambda enough=enough: len(feed_of(c)) >= enough)
            await relay.aclose()
            relay = AsyncExitStack()
            await relay.enter_async_context(relay_process(tmp_path, port))
        stack.push_async_callback(relay.aclose)
        await c.wait(lambda: len(feed_of(c)) >= ORDERS * WHOLE_ORDER)
        await s.wait(lambda: len(feed_of(s)) >= ORDERS * WHOLE_ORDER)
    assert [seq for seq, _ in feed_of(c)] == list(range(1, ORDERS * WHOLE_ORDER + 1))
    assert feed_of(c) == feed_of(s), "both see the same, in the same order"
    assert len({message_id for _, message_id in feed_of(c)}) == ORDERS * WHOLE_ORDER
    assert all(state.resumed for state in c.of(SocketConnectState)[1:])
