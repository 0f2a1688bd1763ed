"""The demo without a screen: plays both orders, and prints a line for each arrow."""

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

TIMEOUT: Final = 10.0
"""Seconds to wait for the next arrow before the demo gives up."""
_K, _D = Party.KTOR_SERVER, Party.DATABASE


def line(arrow: Arrow) -> str:
    """Return `12  S -> K  ORDER_CHANGED 1006  request to extend one of the services  0.4 ms`."""
    return f"{arrow.number:>2}  {arrow}  {arrow.seconds * 1000:.1f} ms"


class MissingArrowError(Exception):
    """The next arrow of the diagram was not observed."""


async def play_both_orders(sequence: Sequence, *, within: float = TIMEOUT) -> None:
    """Play one order to its end and one that is cancelled.

    Each step waits for the arrows of the previous one. Raises `MissingArrowError` if one of them is not
    observed within `within` seconds.
    """

    async def expect(since: int, *keys: ArrowKey) -> None:
        for key in keys:
            try:
                async with asyncio.timeout(within):
                    await sequence.wait_for(key, since)
            except TimeoutError:
                raise MissingArrowError(f"not observed within {within:g} s: {describe(key)}") from None

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


def run(sequence: Sequence, *, within: float = TIMEOUT) -> int:
    """Play both orders, and print a line for each arrow of `sequence`. Returns the exit status."""
    sequence.stream.subscribe(_print_line)
    try:
        asyncio.run(play_both_orders(sequence, within=within))
    except MissingArrowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(sequence.arrows)} arrows: one order completed, one cancelled\n")
    return 0


def _print_line(arrow: Arrow | None) -> None:
    assert arrow is not None  # only the initial state is None
    sys.stdout.write(line(arrow) + "\n")
    sys.stdout.flush()
