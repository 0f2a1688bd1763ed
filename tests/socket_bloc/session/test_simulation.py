"""For any schedule of cuts, delays, refusals and restarts, the applied log equals the committed log."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from socket_bloc.order_status import RejectionCode, StatusCode
from socket_bloc.outbox import MemoryOutbox, Send
from socket_bloc.session.disconnect import Closed, HttpRefused, Unreachable
from socket_bloc.session.session import Live
from tests.socket_bloc.simulation import Client, Network, SimulatedRelay, cancelled, placed

ORDERS = st.integers(1, 3).map("order-{}".format)


class AnySchedule(RuleBasedStateMachine):
    """A client places and cancels, a serviceman accepts, and everything that can fail does."""

    @initialize(seed=st.integers(0, 2**32), full_history=st.booleans())
    def start(self, seed: int, full_history: bool) -> None:
        self.random = Random(seed)
        self.full_history = full_history
        self.relay = SimulatedRelay()
        self.network = Network(self.relay, self.new_client(MemoryOutbox()), self.random.random)
        self.sent: list[Send] = []
        self.rejected: set[str] = set()
        self.network.do(self.network.client.session.connect())

    def new_client(self, outbox: MemoryOutbox) -> Client:
        return Client(outbox, self.random.random, self.full_history)

    def send(self, send: Send) -> None:
        if self.network.client.session.has_socket:
            self.sent.append(send)
            self.network.send(send)
            self.some_time_passes()

    def some_time_passes(self) -> None:
        """Let some time pass: enough for some of what is in transit, rarely for all of it."""
        self.network.run(self.network.now + 8 * self.random.random() ** 2)

    @rule(order_id=ORDERS)
    def client_places(self, order_id: str) -> None:
        self.send(placed(order_id, f"c{len(self.sent)}"))

    @rule(order_id=ORDERS)
    def client_cancels(self, order_id: str) -> None:
        self.send(cancelled(order_id, f"c{len(self.sent)}"))

    @rule(order_id=ORDERS)
    def serviceman_accepts(self, order_id: str) -> None:
        self.network.serviceman_sends(StatusCode.ACCEPTED, order_id, f"s-{order_id}")
        self.some_time_passes()

    @rule()
    def all_is_quiet_for_a_while(self) -> None:
        self.network.run(self.network.now + 40)

    @rule(code=st.sampled_from([1001, 1006, 1011, 1012, 4000, 4001]))
    def connection_is_cut(self, code: int) -> None:
        self.network.cut(Closed(code))
        self.some_time_passes()

    @rule(
        disconnects=st.lists(
            st.sampled_from([Unreachable("connection refused"), HttpRefused(503, "", 2.0)]), max_size=3
        )
    )
    def next_attempts_fail(self, disconnects: list[Unreachable | HttpRefused]) -> None:
        self.network.refuse_next += disconnects

    @rule(code=st.sampled_from([RejectionCode.RATE_LIMITED, RejectionCode.UNAVAILABLE]))
    def next_send_is_deferred(self, code: RejectionCode) -> None:
        self.network.answer_next.append(code)

    @rule()
    def user_disconnects_and_connects(self) -> None:
        session = self.network.client.session
        if session.has_socket:
            self.network.do(session.disconnect())
        self.network.do(session.connect())
        self.some_time_passes()

    @rule()
    def client_process_is_killed_and_started_again(self) -> None:
        """Only its outbox is durable."""
        self.collect_rejections()
        outbox = self.network.client.outbox
        assert isinstance(outbox, MemoryOutbox)
        self.network.restart_client(self.new_client(outbox))
        self.network.do(self.network.client.session.connect())
        self.some_time_passes()

    def collect_rejections(self) -> None:
        rejected = [state.message_id for state in self.network.client.rejected]
        assert all(RejectionCode(state.code).is_final for state in self.network.client.rejected)
        assert len(rejected) == len(set(rejected)), "rejected twice"
        self.rejected |= set(rejected)

    @invariant()
    def every_applied_status_was_committed_and_applied_once(self) -> None:
        client = self.network.client
        seqs = [seq for _, seq, _ in client.applied]
        assert len(seqs) == len(set(seqs)), "applied twice"
        for _, seq, message_id in client.applied:
            assert self.relay.feed[seq - 1].send.message_id == message_id
        if client.starts:
            replayed = [seq for seq in seqs if seq > client.starts[0]]
            assert replayed == list(range(client.starts[0] + 1, client.starts[0] + 1 + len(replayed)))
        assert client.refused == []
        assert client.violations == []

    def teardown(self) -> None:
        """Once nothing fails any more, everything is settled and the logs are equal."""
        if not hasattr(self, "network"):
            return
        self.network.refuse_next.clear()
        self.network.answer_next.clear()
        self.network.run(self.network.now + 200)
        self.collect_rejections()
        self.every_applied_status_was_committed_and_applied_once()
        client = self.network.client
        assert isinstance(client.session.state, Live)
        assert len(client.outbox) == 0
        assert {seq for _, seq, _ in client.applied} >= set(
            range(client.starts[0] + 1, len(self.relay.feed) + 1)
        )
        committed = [entry.send.message_id for entry in self.relay.feed]
        assert len(committed) == len(set(committed)), "committed twice"
        for send in self.sent:
            assert (send.message_id in committed) != (send.message_id in self.rejected), send


TestAnySchedule = AnySchedule.TestCase
TestAnySchedule.settings = settings(max_examples=200, stateful_step_count=50)
