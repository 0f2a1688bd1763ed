"""A bloc with several addresses of its relay, some of which do not work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.server import ServerConnection

from server_stub import Server
from socket_bloc import (
    ClientType,
    OrderStatus,
    SocketBloc,
    SocketConnectEvent,
    SocketConnectState,
    SocketDataRejectedState,
    SocketDataSentState,
    SocketReconnectingState,
    SocketRefusedState,
    StatusCode,
)
from socket_bloc.session.disconnect import HttpRefused
from tests.socket_bloc.conftest import MakeBloc
from tests.socket_bloc.fake_relay import FakeRelay
from tests.socket_bloc.waiting import StateRecorder, connected
from tui.cable import Cable

PLACED = OrderStatus.of(StatusCode.PLACED, order_id="o-1", receiver_id="s-4", message="The tap drips")


@pytest.fixture
async def relays() -> AsyncIterator[list[FakeRelay]]:
    """Two relays, of which a bloc knows both."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(FakeRelay().running()) for _ in range(2)]


@pytest.fixture
async def client(relays: list[FakeRelay]) -> AsyncIterator[SocketBloc]:
    bloc = SocketBloc("c-17", ClientType.CLIENT, uri=[relay.uri for relay in relays])
    yield bloc
    await bloc.close()


async def test_the_first_address_that_answers_is_taken(relay: Server, make_bloc: MakeBloc) -> None:
    async with FakeRelay().running() as gone:
        pass
    client = make_bloc("c-17", ClientType.CLIENT, uri=[gone.uri, relay.uri])
    recorder = await connected(client)
    (lost,) = recorder.of(SocketReconnectingState)
    assert lost.reason.startswith(f"{gone.uri}: ")
    assert (await client.submit(PLACED)).seq == 1


async def test_a_relay_that_is_full_does_not_hold_back_the_other(
    relays: list[FakeRelay], client: SocketBloc
) -> None:
    relays[0].refusals.append(HttpRefused(503, "full", retry_after=1000))
    await connected(client)
    assert [len(relay.requests) for relay in relays] == [1, 1]


async def test_a_connection_that_is_cut_is_resumed_at_the_next_address(
    relays: list[FakeRelay], client: SocketBloc
) -> None:
    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    relays[0].answer = cut
    recorder = await connected(client)
    await recorder.until(SocketConnectState, 2)
    assert [len(relay.requests) for relay in relays] == [1, 1]
    assert "since=0&epoch=e" in relays[1].requests[0].path


async def test_nothing_is_lost_or_doubled_while_one_way_to_the_relay_after_the_other_is_cut(
    relay: Server, make_bloc: MakeBloc
) -> None:
    async with Cable(relay.uri) as first, Cable(relay.uri) as second:
        client = make_bloc("c-17", ClientType.CLIENT, uri=[first.uri, second.uri])
        recorder = await connected(client)
        for number, (cable, other) in enumerate([(first, second), (second, first)] * 2, 1):
            other.plug()
            for part in range(10):
                client.send_order_status(PLACED.model_copy(update={"order_id": f"o-{number}-{part}"}))
            cable.pull()
            await recorder.until(SocketDataSentState, 10 * number)
            assert client.connection.uri == other.uri
    assert [state.seq for state in recorder.of(SocketDataSentState)] == list(range(1, 41))
    assert len({state.order_status.order_id for state in recorder.of(SocketDataSentState)}) == 40
    assert recorder.of(SocketDataRejectedState) == []


@pytest.mark.parametrize(("status", "requests"), [(401, [2, 0]), (403, [1, 0]), (404, [1, 1])])
async def test_a_refusal_of_the_user_counts_for_all_addresses_and_one_of_an_address_for_itself(
    relays: list[FakeRelay], client: SocketBloc, status: int, requests: list[int]
) -> None:
    for relay in relays:
        relay.refusals += [HttpRefused(status, "no entry")] * 2
    recorder = StateRecorder(client)
    client.add(SocketConnectEvent())
    refused = await recorder.until(SocketRefusedState)
    assert refused.reason.endswith(f"refused with HTTP {status}: no entry")
    assert [len(relay.requests) for relay in relays] == requests


@pytest.mark.parametrize("uri", [[], ["ws://a/order", "b"], ["ws://a/order", "ws://a:80/order"]])
def test_an_invalid_list_is_an_error_that_names_the_argument(uri: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^uri: "):
        SocketBloc("c-17", ClientType.CLIENT, uri=uri)
