"""The unsettled sends: neither committed nor finally rejected.

An outbox only stores them, in the order in which they were added. When each may be transmitted is
decided in `session.delivery`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from socket_bloc.order_status import OrderStatus

__all__ = ["MemoryOutbox", "Outbox", "Send"]


@dataclass(frozen=True, slots=True)
class Send:
    """A status to be committed once, under a message id that every retry repeats."""

    message_id: str
    order_status: OrderStatus


class Outbox(Protocol):
    """Stores sends. After `add` has returned, a send must be there until it is settled."""

    def add(self, send: Send) -> None:
        """Store a send; repeating it changes nothing. Raises `ValueError` if another has its message id."""
        ...

    def settle(self, message_id: str) -> None:
        """Remove a send whose outcome is known; an unknown message id is ignored."""
        ...

    def __contains__(self, message_id: object) -> bool: ...

    def __iter__(self) -> Iterator[Send]:
        """Iterate over the sends in the order in which they were added."""
        ...

    def __len__(self) -> int: ...


class MemoryOutbox:
    """An outbox that lives as long as the process."""

    def __init__(self) -> None:
        self._sends: dict[str, Send] = {}

    def add(self, send: Send) -> None:
        if self._sends.setdefault(send.message_id, send) != send:
            raise ValueError("message_id: it belongs to another unsettled status; choose a new one")

    def settle(self, message_id: str) -> None:
        self._sends.pop(message_id, None)

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._sends

    def __iter__(self) -> Iterator[Send]:
        return iter(tuple(self._sends.values()))

    def __len__(self) -> int:
        return len(self._sends)
