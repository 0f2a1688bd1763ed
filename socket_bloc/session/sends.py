"""The sends of one user as effects: what is transmitted, announced, and removed from the outbox.

Which of them may go out when is decided in `delivery`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from socket_bloc.frames import RejectedFrame, SendFrame
from socket_bloc.outbox import Send
from socket_bloc.session.delivery import Delivery
from socket_bloc.session.effects import Effect, Settle, Transmit
from socket_bloc.states import SocketDataQueuedState, SocketDataRejectedState

__all__ = ["Sends"]


class Sends(Delivery):
    """A delivery that appends to `effects` what follows from it.

    `unsettled` is what an earlier process has left in the outbox, oldest first.
    """

    def __init__(self, unsettled: Iterable[Send], jitter: Callable[[], float], effects: list[Effect]) -> None:
        self._inherited = list(unsettled)
        super().__init__(self._inherited, jitter)
        self._effects = effects
        self._outcomes: dict[str, Settle] = {}

    def announce_inherited(self) -> None:
        """Announce, once, what an earlier process has left."""
        self._queued(self._inherited)
        self._inherited.clear()

    def accept(self, send: Send, now: float, *, is_live: bool) -> None:
        """Transmit a new send, or queue it."""
        if self.add(send) and is_live:
            self.transmit(send, now)
        else:
            self._queued([send])

    def transmit(self, send: Send, now: float) -> None:
        """Transmit a send that may go out."""
        self.mark_sent(send, now)
        frame = SendFrame(message_id=send.message_id, order_status=send.order_status)
        self._effects.append(Transmit(frame.model_dump_json()))

    def committed(self, message_id: str) -> None:
        """A send was committed; it is settled once that has been announced."""
        self.mark_answered(message_id)
        self._outcomes[message_id] = Settle(message_id, durably=False)

    def rejected(self, send: Send, frame: RejectedFrame) -> None:
        """A send was rejected, finally; it is settled once that has been announced."""
        self._effects.append(
            SocketDataRejectedState(
                send.order_status, send.message_id, frame.code, frame.reason, frame.current_status
            )
        )
        self.mark_answered(send.message_id)
        self._outcomes[send.message_id] = Settle(send.message_id, durably=True)

    def announced(self, message_id: str, now: float, *, is_live: bool) -> None:
        """The outcome of a send has been announced, if there was one; the next of its order may follow."""
        outcome = self._outcomes.pop(message_id, None)
        if outcome is not None:
            self._effects.append(outcome)
            following = self.settle(message_id)
            if following is not None and is_live:
                self.transmit(following, now)

    def requeue(self) -> None:
        """The connection is lost: queue again what was in flight, and announce it."""
        self._queued(self.connection_lost())

    def _queued(self, sends: Iterable[Send]) -> None:
        self._effects += [SocketDataQueuedState(send.order_status, send.message_id) for send in sends]
