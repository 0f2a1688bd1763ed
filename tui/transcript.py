"""The demo without a screen: both orders are played, and each arrow that is seen becomes a line."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from socket_bloc import ClientType, SocketConnectEvent
from socket_bloc.ids import new_id
from tui.play import CANCELLED_ORDER, WHOLE_ORDER, next_step
from tui.sequence import Arrow, ArrowKey, Party, Sequence, describe
from tui.stage import USERS, set_stage

__all__ = ["MissingArrowError", "line", "play_both_orders", "run"]

PATIENCE: Final = 10.0
"""Seconds without the arrow that comes next, after which the demo gives up."""
_K, _D = Party.KTOR_SERVER, Party.DATABASE


def line(arrow: Arrow) -> str:
    """`12  S -> K  ORDER_CHANGED 1006  request to extend one of the services  0.4 ms`."""
    return f"{arrow.number:>2}  {arrow}  {arrow.seconds * 1000:.1f} ms"


class MissingArrowError(Exception):
    """An arrow that the diagram has next was not seen."""


async def play_both_orders(sequence: Sequence, *, patience: float = PATIENCE) -> None:
    """Play one order to its end and one that is cancelled.

    Each step waits for the arrows of the one before. Raises `MissingArrowError` where one of them is not
    seen within `patience` seconds.
    """

    async def expect(since: int, *keys: ArrowKey) -> None:
        for key in keys:
            try:
                async with asyncio.timeout(patience):
                    await sequence.wait_for(key, since)
            except TimeoutError:
                raise MissingArrowError(f"not seen within {patience:g} s: {describe(key)}") from None

    async with set_stage(sequence) as stage:
        for role, bloc in stage.blocs.items():
            bloc.add(SocketConnectEvent())
            await expect(0, (Party.of(role), _K, None))
        for script in (WHOLE_ORDER, CANCELLED_ORDER):
            order_id = new_id()
            step = next_step(script, order_id, None, USERS[ClientType.SERVICEMAN])
            while step is not None:
                since = len(sequence.arrows)
                stage.blocs[step.role].send_order_status(step.order_status)
                sender, receiver = Party.of(step.role), Party.of(step.role.other)
                await expect(
                    since, (sender, _K, step.status), (_K, _D, step.status), (_K, receiver, step.status)
                )
                step = next_step(script, order_id, step.status, USERS[ClientType.SERVICEMAN])
        await stage.close_relay()
        await expect(0, (_K, Party.SERVICEMAN, None), (_K, Party.CLIENT, None))


def run(sequence: Sequence, *, patience: float = PATIENCE) -> int:
    """Play, and print a line for each arrow that `sequence` sees; returns the exit status."""
    sequence.stream.subscribe(_print_line)
    try:
        asyncio.run(play_both_orders(sequence, patience=patience))
    except MissingArrowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(sequence.arrows)} arrows: one order completed, one cancelled\n")
    return 0


def _print_line(arrow: Arrow | None) -> None:
    assert arrow is not None  # only the first state is
    sys.stdout.write(line(arrow) + "\n")
    sys.stdout.flush()
