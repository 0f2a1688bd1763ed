"""The unsettled sends: neither committed nor finally rejected.

An outbox only stores them, in the order in which they were added. When each may be transmitted is
decided in `session.delivery`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from socket_bloc.order_status import ClientType, OrderStatus

__all__ = ["MemoryOutbox", "Outbox", "Send"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Send:
    """A status to be committed once, under a message id that every retry repeats."""

    message_id: str
    order_status: OrderStatus
    added_at: datetime = field(default_factory=_now, compare=False)
    """When its user sent it (UTC)."""


class Outbox(Protocol):
    """Stores one user's sends. After `add` has returned, a send must be there until it is settled."""

    def bind(self, user_id: str, type: ClientType) -> None:
        """Reserve the outbox for a user. Raises `ValueError` if it belongs to another one."""
        ...

    def add(self, send: Send) -> None:
        """Store a send; repeating it changes nothing.

        Raises `ValueError` if another has its message id, and `OutboxError` if it cannot be stored.
        """
        ...

    def settle(self, message_id: str) -> None:
        """Remove a send that needs no retry; an unknown message id is ignored.

        Raises `OutboxError` if the removal cannot be stored. It need not be durable before the next `sync`.
        """
        ...

    def sync(self) -> None:
        """Make what was settled durable. Raises `OutboxError`."""
        ...

    def close(self) -> None:
        """Release what the outbox holds open. What is unsettled stays stored."""
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
        self._user: tuple[str, ClientType] | None = None

    def bind(self, user_id: str, type: ClientType) -> None:
        self._user = self._user or (user_id, type)
        if self._user != (user_id, type):
            raise ValueError("outbox: it belongs to another user; give each user one of their own")

    def add(self, send: Send) -> None:
        if self._sends.setdefault(send.message_id, send) != send:
            raise ValueError("message_id: it belongs to another unsettled status; choose a new one")

    def settle(self, message_id: str) -> None:
        self._sends.pop(message_id, None)

    def sync(self) -> None:
        """Do nothing: nothing here is durable."""

    def close(self) -> None:
        """Do nothing: the sends are there for as long as the object is."""

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._sends

    def __iter__(self) -> Iterator[Send]:
        return iter(tuple(self._sends.values()))

    def __len__(self) -> int:
        return len(self._sends)
