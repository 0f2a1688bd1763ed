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
from tui.sequence import Arrow, ArrowKey, Party, Sequence, SequenceObserver, describe

__all__ = ["MissingArrowError", "as_mermaid", "line", "play_both_orders", "run"]

PATIENCE: Final = 10.0
"""Seconds without the arrow that comes next, after which the demo gives up."""
_CLIENT, _SERVICEMAN = "c-17", "s-4"
_K, _D = Party.KTOR_SERVER, Party.DATABASE


def line(arrow: Arrow) -> str:
    """`12  S -> K  ORDER_CHANGED 1006  request to extend one of the services  0.4 ms`."""
    return f"{arrow.number:>2}  {arrow}  {arrow.seconds * 1000:.1f} ms"


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


class MissingArrowError(Exception):
    """An arrow that the diagram has next was not seen."""


async def play_both_orders(sequence: Sequence, *, patience: float = PATIENCE) -> None:
    """Play one order to its end and one that is cancelled, over a relay and two blocs of their own.

    Each step waits for the arrows of the one before. Raises `MissingArrowError` where one of them is not seen
    within `patience` seconds.
    """

    async def expect(since: int, *keys: ArrowKey) -> None:
        for key in keys:
            try:
                async with asyncio.timeout(patience):
                    await sequence.wait_for(key, since)
            except TimeoutError:
                raise MissingArrowError(f"not seen within {patience:g} s: {describe(key)}") from None

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
            await expect(0, (Party.of(bloc.type), _K, None))
        for order in (WHOLE_ORDER, CANCELLED_ORDER):
            for step in steps_of(order, _SERVICEMAN):
                since = len(sequence.arrows)
                step.play(client, serviceman)
                sender, receiver = Party.of(step.role), Party.of(step.role.other)
                await expect(
                    since, (sender, _K, step.status), (_K, _D, step.status), (_K, receiver, step.status)
                )
        await relay.close()
        await expect(0, (_K, Party.SERVICEMAN, None), (_K, Party.CLIENT, None))


def run(mermaid: Path | None = None, *, patience: float = PATIENCE) -> int:
    """Play, and print a line for each arrow; returns the exit status. `mermaid` is a file to write."""
    sequence = Sequence(_print_line)
    if mermaid is not None:
        try:
            mermaid.touch()
        except OSError as error:
            sys.stderr.write(f"--mermaid: {mermaid} cannot be written: {error.strerror}\n")
            return 2
    try:
        asyncio.run(play_both_orders(sequence, patience=patience))
    except MissingArrowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if mermaid is not None:
            mermaid.write_text(as_mermaid(sequence.arrows), encoding="utf-8")
    sys.stdout.write(f"{len(sequence.arrows)} arrows: one order completed, one cancelled\n")
    return 0


def _print_line(arrow: Arrow) -> None:
    sys.stdout.write(line(arrow) + "\n")
    sys.stdout.flush()
