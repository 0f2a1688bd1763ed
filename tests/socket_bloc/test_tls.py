"""The TLS context of a bloc, and a bloc whose relay speaks TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLError

import pytest
import trustme

from server_stub import Server, serve
from socket_bloc import (
    ClientType,
    ConnectionRefused,
    SocketBloc,
    SocketConnectEvent,
    SocketReceiveDataState,
    SocketRefusedState,
)
from socket_bloc.session.disconnect import Unreachable
from socket_bloc.tls import check_ssl, classify_tls
from tests.certificates import issue, trusting
from tests.socket_bloc.conftest import MakeBloc, relay_settings
from tests.socket_bloc.waiting import StateRecorder, connected


@pytest.mark.parametrize("context", [None, trusting()])
def test_the_context_of_a_client_is_valid_if_all_uris_have_tls(context: SSLContext | None) -> None:
    assert check_ssl(context, ["WSS://a.example/order", "wss://b.example/order"]) is context


def test_a_uri_without_tls_takes_no_context() -> None:
    uris = ["wss://a.example/order", "ws://b.example/order"]
    assert check_ssl(None, uris) is None
    with pytest.raises(ValueError, match=r"^ssl: .* wss://, unlike ws://b\.example/order$"):
        check_ssl(trusting(), uris)


@pytest.mark.parametrize("context", [True, "ca.pem", SSLContext(PROTOCOL_TLS_SERVER)])
def test_what_is_not_the_context_of_a_client_is_an_error(context: object) -> None:
    with pytest.raises(ValueError, match=r"^ssl: it must be a client's SSLContext"):
        check_ssl(context, ["wss://relay.example/order"])


def test_an_error_without_a_reason_may_pass() -> None:
    assert classify_tls(SSLError("no room")) == Unreachable("TLS failed: ('no room',)")


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Server]:
    files = issue(tmp_path)
    settings = relay_settings(tmp_path).model_copy(update={"tls_cert": files.chain, "tls_key": files.key})
    async with serve(settings) as server:
        yield server


async def refusal(bloc: SocketBloc) -> str:
    """Why the connection of a bloc is refused; a pending `submit` gets the same reason."""
    recorder = StateRecorder(bloc)
    bloc.add(SocketConnectEvent())
    with pytest.raises(ConnectionRefused) as caught:
        await bloc.place_order("s-4", "The kitchen tap drips")
    reason = (await recorder.until(SocketRefusedState)).reason
    assert str(caught.value) == reason
    return reason


async def test_an_order_is_placed_over_tls(make_bloc: MakeBloc) -> None:
    client = make_bloc("c-17", ClientType.CLIENT, ssl=trusting())
    serviceman = make_bloc("s-4", ClientType.SERVICEMAN, ssl=trusting())
    recorder = await connected(serviceman)
    await connected(client)
    order_id = await client.place_order("s-4", "The kitchen tap drips")
    assert (await recorder.until(SocketReceiveDataState)).order_status.order_id == order_id


@pytest.mark.parametrize("context", [None, trusting(trustme.CA())], ids=["default", "another authority"])
async def test_a_certificate_that_is_not_trusted_is_a_refusal(
    make_bloc: MakeBloc, context: SSLContext | None
) -> None:
    reason = await refusal(make_bloc("c-17", ClientType.CLIENT, ssl=context))
    assert reason.startswith("invalid certificate: ")


async def test_ws_to_a_relay_that_speaks_tls_is_a_refusal(relay: Server, make_bloc: MakeBloc) -> None:
    bloc = make_bloc("c-17", ClientType.CLIENT, uri=relay.uri.replace("wss://", "ws://"))
    assert await refusal(bloc) == "refused with HTTP 400: this port speaks TLS; use wss:// or https://"


async def test_wss_to_a_relay_that_does_not_speak_tls_is_a_refusal(
    make_bloc: MakeBloc, tmp_path: Path
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    async with serve(relay_settings(folder)) as plain:
        bloc = make_bloc("c-17", ClientType.CLIENT, uri=plain.uri.replace("ws://", "wss://"))
        assert (await refusal(bloc)).startswith("the relay does not speak TLS at this address; ")
