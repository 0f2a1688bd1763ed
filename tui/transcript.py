"""The demo without a screen: both orders are played, and each arrow that is seen becomes a line."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from server_stub import Settings, serve
from socket_bloc import ClientType, SocketBloc, SocketConnectEvent
from tui.play import CANCELLED_ORDER, WHOLE_ORDER, steps_of
from tui.sequence import Arrow, Sequence, SequenceObserver

__all__ = ["as_mermaid", "line", "play_both_orders", "run"]

PATIENCE: Final = 10.0
"""Seconds without an arrow after which the demo gives up."""
_CLIENT, _SERVICEMAN = "c-17", "s-4"


def line(arrow: Arrow) -> str:
    """`12  S -> K  ORDER_CHANGED 1006  request to extend one of the services  0.4 ms`."""
    status = f"{arrow.status.name} {arrow.status:d}  " if arrow.status else ""
    return (
        f"{arrow.number:>2}  {arrow.source} -> {arrow.target}  {status}{arrow.text}"
        f"  {arrow.seconds * 1000:.1f} ms"
    )


def as_mermaid(arrows: list[Arrow]) -> str:
    """What was seen, as a Mermaid sequence diagram."""
    lines = [
        "sequenceDiagram",
        "    autonumber",
        "    participant C as Client",
        "    participant S as Serviceman",
        "    participant K as KtorServer",
        "    participant D as Database",
    ]
    for arrow in arrows:
        status = f" ({arrow.status.name}, {arrow.status:d})" if arrow.status else ""
        lines.append(f"    {arrow.source} ->> {arrow.target} : {arrow.text}{status}")
    return "\n".join(lines) + "\n"


async def play_both_orders(sequence: Sequence, *, patience: float = PATIENCE) -> None:
    """Play one order to its end and one that is cancelled, over a relay and two blocs of their own.

    Each step waits for the arrows of the one before. Raises `TimeoutError` where none is seen for
    `patience` seconds.
    """
    expected = 0

    async def expect(arrows: int) -> None:
        nonlocal expected
        expected += arrows
        while (seen := len(sequence.arrows)) < expected:
            async with asyncio.timeout(patience):
                await sequence.wait_for(seen + 1)

    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="socket-bloc-"))
        settings = Settings(port=0, database=f"sqlite:///{folder}/orders.db")
        relay = await stack.enter_async_context(serve(settings, observer=SequenceObserver(sequence)))
        client = SocketBloc(_CLIENT, ClientType.CLIENT, uri=relay.uri)
        serviceman = SocketBloc(_SERVICEMAN, ClientType.SERVICEMAN, uri=relay.uri)
        for bloc in (client, serviceman):
            stack.push_async_callback(bloc.close)
            sequence.watch(bloc)
            bloc.add(SocketConnectEvent())
            await expect(arrows=1)
        for order in (WHOLE_ORDER, CANCELLED_ORDER):
            for step in steps_of(order, _SERVICEMAN):
                step.play(client, serviceman)
                await expect(arrows=3)  # to the relay, to the database, to the other party
        await relay.close()
        await expect(arrows=2)


def run(mermaid: Path | None = None, *, patience: float = PATIENCE) -> int:
    """Play, and print a line for each arrow; returns the exit status. `mermaid` is a file to write."""
    sequence = Sequence(_print_line)
    try:
        asyncio.run(play_both_orders(sequence, patience=patience))
    except TimeoutError:
        sys.stderr.write(
            f"no arrow for {patience:.0f} s after number {len(sequence.arrows)}: "
            "the relay has not committed, or has not passed on, what was sent last\n"
        )
        return 1
    finally:
        if mermaid is not None:
            mermaid.write_text(as_mermaid(sequence.arrows), encoding="utf-8")
    sys.stdout.write(f"{len(sequence.arrows)} arrows: one order completed, one cancelled\n")
    return 0


def _print_line(arrow: Arrow) -> None:
    sys.stdout.write(line(arrow) + "\n")
    sys.stdout.flush()
