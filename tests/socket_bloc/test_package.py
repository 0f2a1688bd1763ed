"""The package itself: its public names, and what importing it, or one of its modules, loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import socket_bloc

HEAVY = {"reactivex", "websockets.asyncio", "websockets.client", "socket_bloc.bloc"}


def loaded_by(code: str) -> set[str]:
    """The modules that a new interpreter has loaded after running `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("name", socket_bloc.__all__)
def test_each_public_name_is_an_attribute_of_the_package(name: str) -> None:
    assert getattr(socket_bloc, name) is getattr(socket_bloc, name)
    assert name in dir(socket_bloc)


def test_a_star_import_gives_the_public_names_and_no_others() -> None:
    names: dict[str, object] = {}
    exec("from socket_bloc import *", names)
    assert names.keys() - {"__builtins__"} == set(socket_bloc.__all__)


def test_an_unknown_name_is_an_attribute_error_as_of_any_module() -> None:
    name = "SocketBlok"
    with pytest.raises(AttributeError, match=rf"^module 'socket_bloc' has no attribute '{name}'$"):
        getattr(socket_bloc, name)
    with pytest.raises(ImportError, match=name):
        exec(f"from socket_bloc import {name}")


def test_the_module_of_a_public_name_is_an_attribute_of_the_package() -> None:
    assert "socket_bloc.bloc" in loaded_by("import socket_bloc\nsocket_bloc.bloc.Cubit")


@pytest.mark.parametrize(
    "code",
    [
        "import socket_bloc",
        "import socket_bloc.frames, socket_bloc.order_flow",
        "from socket_bloc import OrderStatus, SocketConnectEvent, SocketConnectState, MemoryOutbox",
        "import server_stub.process",
    ],
)
def test_neither_rxpy_nor_a_websocket_client_is_loaded_before_it_is_needed(code: str) -> None:
    assert not HEAVY & loaded_by(code)


def test_the_bloc_loads_both() -> None:
    assert loaded_by("from socket_bloc import SocketBloc") >= HEAVY
