"""Group commit: the submissions of many connections in one transaction, and each gets its outcome, in order.

A batch is what arrived while the last one was committed. Its statements run in the event loop, and its
COMMIT in a thread, because only that waits for the disk: a stalled disk delays no ping. In the meantime
nobody else uses the ledger, so nothing is ever decided against what is not committed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Final, TypeVar

from server_stub.ledger.commit_thread import CommitThread
from server_stub.ledger.ledger import Ledger
from server_stub.ledger.store import DatabaseLostError, LedgerError, Maintenance, Store
from server_stub.records import Answer, Entry, Outcome, Submission
from socket_bloc.order_status import Rejection, RejectionCode

__all__ = ["GroupCommit"]

_log = logging.getLogger("server_stub")

COMMIT_TIMEOUT: Final = 5.0
"""Seconds after which a submission without an outcome is rejected as `unavailable`."""
MAX_WAITING: Final = 16_384
"""Submissions that may wait for their batch; further ones are rejected as `unavailable` at once."""
MAX_BATCH: Final = 512
"""Submissions of one transaction: deciding on them must not block the event loop for long."""
FAILURE_MEMORY: Final = 30.0
"""Seconds for which a failed batch makes probes fail, unless a later one has succeeded."""
_MAX_GATHERING_ITERATIONS: Final = 3
_UNAVAILABLE: Final = "the database is not available; try again with the same messageId"
_ENDING: Final = "the relay is shutting down; try again with the same messageId"

T = TypeVar("T")
Reply = Callable[[Submission, Answer], None]


class _Phase(Enum):
    IDLE = auto()
    GATHERING = auto()
    COMMITTING = auto()
    MAINTENANCE = auto()
    LOST = auto()
    STOPPED = auto()


_Pending = tuple[Submission, Reply, float]
"""A submission, who waits for its outcome, and since when by the clock of the loop."""


class GroupCommit:
    """The one writer of a ledger, in one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        announce: Callable[[Entry], None],
        batch_ended: Callable[[int, float, bool], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`ledger` decides what goes into `store`.

        `announce` is called for each entry after its commit, in the order of their numbers; `batch_ended`
        with the size of a batch, the seconds that it took, and whether it failed.
        """
        self._ledger = ledger
        self._store = store
        self._announce = announce
        self._batch_ended = batch_ended
        self._loop = loop
        self._thread = CommitThread(loop)
        self._phase = _Phase.IDLE
        self._is_accepting = True
        self._queue: deque[_Pending] = deque()
        self._batch: list[_Pending] = []
        self._outcomes: list[Outcome] = []
        self._expired = 0
        """Of the batch, those that were told `unavailable`: the first ones, as they have waited longest."""
        self._started = 0.0
        self._unready_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._probes: list[asyncio.Future[bool]] = []
        self._batch_probes: list[asyncio.Future[bool]] = []
        self._idle_waiters: list[asyncio.Future[None]] = []
        self.lost: Final[asyncio.Future[None]] = loop.create_future()
        """Done when the database is lost: from then on all is rejected, and `stop` is what is left to do."""

    def submit(self, submission: Submission, reply: Reply) -> None:
        """Queue a submission for the next batch.

        `reply` is called with its outcome, unless that is an entry, which goes to `announce`; or with the
        rejection `unavailable`, if the outcome is not known in time.
        """
        if not self._is_accepting or len(self._queue) >= MAX_WAITING:
            reply(submission, _unavailable(_UNAVAILABLE if self._is_accepting else _ENDING))
            return
        self._queue.append((submission, reply, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(COMMIT_TIMEOUT, self._expire)
        if self._phase is _Phase.IDLE:
            self._wake()

    def probe(self) -> asyncio.Future[bool]:
        """Return whether the database takes a write within the timeout, and has taken the last batch.

        The write is a small one: a full disk may take it, and nothing else.
        """
        probe: asyncio.Future[bool] = self._loop.create_future()
        if self._phase in (_Phase.LOST, _Phase.STOPPED):
            probe.set_result(False)
        else:
            self._probes.append(probe)
            self._loop.call_later(COMMIT_TIMEOUT, _set_result, probe, False)
            if self._phase is _Phase.IDLE:
                self._wake()
        return probe

    async def drain(self) -> None:
        """Reject new submissions, and return when the queued ones have been answered."""
        self._is_accepting = False
        while self._phase not in (_Phase.IDLE, _Phase.LOST, _Phase.STOPPED):
            idle: asyncio.Future[None] = self._loop.create_future()
            self._idle_waiters.append(idle)
            await idle

    def stop(self, timeout: float) -> bool:
        """Commit nothing more, deliver nothing more, and close the store.

        Blocks until the running COMMIT returns, at most `timeout` seconds; returns whether it has. The store
        is closed after it.
        """
        if self._phase is not _Phase.STOPPED:
            self._phase = _Phase.STOPPED
            self._is_accepting = False
            self._queue.clear()
            self._batch = []
            if self._timer is not None:
                self._timer.cancel()
            self._release_waiters()
            self._thread.run(self._store.close, self._closed)
        return self._thread.stop(timeout)

    def _wake(self) -> None:
        self._phase = _Phase.GATHERING
        self._loop.call_soon(self._gather, 0, 0)

    def _gather(self, iteration: int, seen: int) -> None:
        # While submissions still come with every iteration of the loop, waiting a little saves whole commits.
        if self._phase is not _Phase.GATHERING:
            return
        waiting = len(self._queue)
        if seen < waiting < MAX_BATCH and iteration < _MAX_GATHERING_ITERATIONS:
            self._loop.call_soon(self._gather, iteration + 1, waiting)
        else:
            self._begin()

    def _begin(self) -> None:
        self._batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        self._expired = 0
        self._batch_probes, self._probes = self._probes, []
        self._started = time.perf_counter()
        submissions = [submission for submission, _, _ in self._batch]
        try:
            self._outcomes = self._ledger.stage(submissions, probe=bool(self._batch_probes))
        except Exception as error:
            self._phase = _Phase.COMMITTING
            self._thread.run(self._store.verify, partial(self._not_staged, error))
        else:
            self._phase = _Phase.COMMITTING
            self._thread.run(self._store.commit, self._committed)

    def _not_staged(self, problem: Exception, loss: Exception | None) -> None:
        if self._phase is not _Phase.STOPPED:
            self._end(loss or problem)  # perhaps it is because the database is lost

    def _committed(self, problem: Exception | None) -> None:
        if self._phase is _Phase.STOPPED:
            return
        if problem is None:
            self._store.after_commit()
        else:
            self._store.rollback()
        self._end(problem)

    def _end(self, problem: Exception | None) -> None:
        is_lost = isinstance(problem, DatabaseLostError)
        if problem is not None and not is_lost:
            _report("failed to commit a batch", problem)
        self._batch_ended(len(self._batch), time.perf_counter() - self._started, problem is not None)
        # Its thread has the time of the delivery for a piece of maintenance.
        is_maintaining = problem is None and self._begin_maintenance()
        if self._batch:
            self._unready_until = 0.0 if problem is None else self._loop.time() + FAILURE_MEMORY
        self._deliver(problem)
        if is_lost:
            self._lose(problem)
        elif not is_maintaining:
            self._continue()

    def _deliver(self, problem: Exception | None) -> None:
        batch, self._batch = self._batch, []
        probes, self._batch_probes = self._batch_probes, []
        outcomes = self._outcomes if problem is None else [_unavailable(_UNAVAILABLE)] * len(batch)
        for probe in probes:
            _set_result(probe, problem is None and self._loop.time() >= self._unready_until)
        for index, ((submission, reply, _), outcome) in enumerate(zip(batch, outcomes, strict=True)):
            try:
                if isinstance(outcome, Entry):
                    self._announce(outcome)
                elif index >= self._expired:
                    reply(submission, outcome)
            except Exception:
                _log.exception("failed to deliver an outcome")

    def _begin_maintenance(self) -> bool:
        """Begin a piece of maintenance, and return whether there was any to do."""
        maintenance = self._store.maintenance()
        if maintenance is None:
            return False
        self._phase = _Phase.MAINTENANCE
        self._thread.run(maintenance.work, partial(self._maintained, maintenance))
        return True

    def _maintained(self, maintenance: Maintenance, problem: Exception | None) -> None:
        if self._phase is _Phase.STOPPED:
            return
        if isinstance(problem, DatabaseLostError):
            self._lose(problem)
            return
        if problem is not None:
            _report("database maintenance failed", problem)
            self._continue()  # and try it again after the next batch
            return
        maintenance.after()
        # One piece between two batches, unless no batch is waiting: then the next piece at once.
        is_idle = self._is_accepting and not self._queue and not self._probes
        if not is_idle or not self._begin_maintenance():
            self._continue()

    def _continue(self) -> None:
        self._phase = _Phase.IDLE
        if self._queue or self._probes:
            self._wake()
        else:
            idle_waiters, self._idle_waiters = self._idle_waiters, []
            for waiter in idle_waiters:
                _set_result(waiter, None)

    def _lose(self, loss: DatabaseLostError) -> None:
        """Acknowledge nothing any more, because it would be gone after a restart."""
        _log.critical("the database is lost, nothing is committed any more: %s", loss)
        self._phase = _Phase.LOST
        self._is_accepting = False
        while self._queue:
            _reject(self._queue.popleft())
        self._release_waiters()
        self.lost.set_result(None)

    def _closed(self, problem: Exception | None) -> None:
        is_known = self.lost.done() and isinstance(problem, DatabaseLostError)
        if problem is not None and not is_known:
            _report("failed to close the database", problem)

    def _release_waiters(self) -> None:
        for probe in (*self._probes, *self._batch_probes):
            _set_result(probe, False)
        for waiter in self._idle_waiters:
            _set_result(waiter, None)

    def _expire(self) -> None:
        """Reject what has waited too long. One timer for all: it is set for the oldest."""
        self._timer = None
        too_old = self._loop.time() - COMMIT_TIMEOUT
        while self._expired < len(self._batch) and _since(self._batch[self._expired]) <= too_old:
            _reject(self._batch[self._expired])
            self._expired += 1
        while self._queue and _since(self._queue[0]) <= too_old:
            _reject(self._queue.popleft())  # not in a batch yet, so it can be dropped
        if still := self._batch[self._expired :] or self._queue:
            self._timer = self._loop.call_at(_since(still[0]) + COMMIT_TIMEOUT, self._expire)


def _since(pending: _Pending) -> float:
    _, _, since = pending
    return since


def _reject(pending: _Pending) -> None:
    submission, reply, _ = pending
    reply(submission, _unavailable(_UNAVAILABLE))


def _unavailable(reason: str) -> Rejection:
    return Rejection(RejectionCode.UNAVAILABLE, "order_status", reason)


def _set_result(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _report(what: str, problem: Exception) -> None:
    # Any other exception is a bug, and logged with its traceback.
    _log.error("%s: %s", what, problem, exc_info=None if isinstance(problem, LedgerError) else problem)
