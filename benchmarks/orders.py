"""What does it cost to keep all orders of a user, however many there are?

    python -m benchmarks.orders [--statuses N]

It prints the time to fold one status into N orders, which come in random order; the memory that 100,000
orders take; and the time in which a replay from a relay goes through a `SocketBloc`, without and with an
`OrdersCubit`. On a busy machine compare the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final
from uuid import UUID

from benchmarks.relay_host import OwnRelay, describe_machine
from socket_bloc import (
    ClientType,
    Orders,
    OrdersCubit,
    OrderStatus,
    SocketBloc,
    SocketDataSentState,
    SocketReceiveDataState,
    SocketState,
    StatusCode,
)
from socket_bloc.frames import StatusFrame, read_relay_frame
from socket_bloc.orders import fold

COUNTS: Final = (10, 1_000, 10_000, 30_000, 100_000)
FOLDED: Final = 5_000
"""Statuses that are folded into each number of orders, in each round."""
ROUNDS: Final = 5
AT: Final = datetime(2026, 11, 22, 10, 1, 12, 345678, tzinfo=UTC)

WHOLE_ORDER: Final = (
    (ClientType.CLIENT, StatusCode.PLACED),
    (ClientType.SERVICEMAN, StatusCode.ACCEPTED),
    (ClientType.CLIENT, StatusCode.STARTED),
    (ClientType.SERVICEMAN, StatusCode.ORDER_CHANGED),
    (ClientType.CLIENT, StatusCode.EXTENDED),
    (ClientType.CLIENT, StatusCode.PAYMENT),
    (ClientType.SERVICEMAN, StatusCode.PAYMENT_VERIFICATION),
    (ClientType.CLIENT, StatusCode.ORDER_COMPLETE),
)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--statuses", type=int, default=24_000, help="statuses in the replay")
    options = parser.parse_args()
    # At first, while nothing else has grown the heap.
    mib = memory_of(COUNTS[-1])
    with tempfile.TemporaryDirectory(prefix="orders-benchmark-") as name:
        print(describe_machine(Path(name)))
        print(f"\none status folded into N orders, random order, best of {ROUNDS} rounds")
        for count in COUNTS:
            print(f"{count:>10,} orders {seconds_of_a_fold(count) * 1e6:>8.1f} µs")
        print(f"\n{COUNTS[-1]:>10,} orders of one status each {mib:>8.0f} MiB")
        asyncio.run(compare_replays(Path(name), options.statuses))


def memory_of(count: int) -> float:
    """MiB that so many orders take, each with the status that placed it, read from a frame of its own."""
    before = _resident_mib()
    orders = Orders()
    for number in range(count):
        orders = fold(orders, placed(number), "c-17", ClientType.CLIENT)
    gc.collect()
    assert len(orders.by_id) == count
    return _resident_mib() - before


def seconds_of_a_fold(count: int) -> float:
    """Seconds to fold one status of the other party into `count` orders."""
    orders = Orders()
    for number in range(count):
        orders = fold(orders, placed(number), "c-17", ClientType.CLIENT)
    seq = count
    best = float("inf")
    for _ in range(ROUNDS):
        states: list[SocketState] = []
        for _ in range(FOLDED):
            seq += 1
            order_id = order_id_of(random.randrange(count))
            status = OrderStatus.of(
                StatusCode.ACCEPTED, order_id=order_id, sender_id="s-4", receiver_id="c-17"
            )
            states.append(SocketReceiveDataState(status, f"m-{seq}", seq, AT))
        start = perf_counter()
        for state in states:
            orders = fold(orders, state, "c-17", ClientType.CLIENT)
        best = min(best, (perf_counter() - start) / FOLDED)
    return best


def placed(number: int) -> SocketDataSentState:
    """The first status of an order, made as a client makes it: out of the relay's frame."""
    status = OrderStatus.of(
        StatusCode.PLACED,
        order_id=order_id_of(number),
        message=f"Kitchen tap {number} drips",
        sender_id="c-17",
        receiver_id="s-4",
    )
    sent = StatusFrame(seq=number + 1, message_id=UUID(int=number).hex, at=AT, order_status=status)
    frame = read_relay_frame(sent.model_dump_json())
    assert isinstance(frame, StatusFrame)
    return SocketDataSentState(frame.order_status, frame.message_id, frame.seq, frame.at)


def order_id_of(number: int) -> str:
    """The id of an order, as long as those that `place_order` makes."""
    return UUID(int=number).hex


async def compare_replays(directory: Path, statuses: int) -> None:
    """Print the seconds of a replay into a bloc alone, and into one with its orders."""
    relay = OwnRelay(directory / "relay", max_connections=10)
    try:
        await play(relay.url, statuses // len(WHOLE_ORDER))
        alone, folded = float("inf"), float("inf")
        for _ in range(ROUNDS):
            alone = min(alone, await replay(relay.url, statuses, with_orders=False))
            folded = min(folded, await replay(relay.url, statuses, with_orders=True))
    finally:
        relay.stop()
    print(f"\na replay of {statuses:,} statuses, best of {ROUNDS} rounds")
    print(f"    SocketBloc alone            {alone:>6.2f} s")
    print(f"    SocketBloc and OrdersCubit  {folded:>6.2f} s   {folded / alone:.2f} times as long")


async def play(uri: str, orders: int) -> None:
    """Have so many whole orders committed, a hundred at a time."""
    parties = {
        ClientType.CLIENT: SocketBloc("c-17", ClientType.CLIENT, uri=uri),
        ClientType.SERVICEMAN: SocketBloc("s-4", ClientType.SERVICEMAN, uri=uri),
    }
    numbers = iter(range(orders))

    async def play_one_after_another() -> None:
        for number in numbers:
            for role, code in WHOLE_ORDER:
                receiver_id = "s-4" if code is StatusCode.PLACED else None
                status = OrderStatus.of(code, order_id=order_id_of(number), receiver_id=receiver_id)
                await parties[role].submit(status)

    async with AsyncExitStack() as stack:
        for bloc in parties.values():
            await stack.enter_async_context(bloc)
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(play_one_after_another())


async def replay(uri: str, statuses: int, *, with_orders: bool) -> float:
    """Seconds from the connect event until the last status has come through."""
    gc.collect()
    bloc = SocketBloc("c-17", ClientType.CLIENT, uri=uri, full_history=True)
    async with AsyncExitStack() as stack:
        cubit = await stack.enter_async_context(OrdersCubit(bloc)) if with_orders else None
        has_ended = asyncio.get_running_loop().create_future()

        def listen(state: SocketState) -> None:
            if isinstance(state, SocketDataSentState | SocketReceiveDataState) and state.seq == statuses:
                has_ended.set_result(None)

        bloc.stream.subscribe(listen)
        start = perf_counter()
        await stack.enter_async_context(bloc)
        await has_ended
        seconds = perf_counter() - start
        if cubit is not None and len(cubit.state.by_id) != statuses // len(WHOLE_ORDER):
            raise AssertionError(f"{len(cubit.state.by_id)} orders came of {statuses} statuses")
    return seconds


def _resident_mib() -> float:
    try:
        lines: Sequence[str] = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    main()
