"""The package itself: its public names, and what running a relay does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import server_stub


@pytest.mark.parametrize("name", server_stub.__all__)
def test_each_public_name_is_an_attribute_of_the_package(name: str) -> None:
    assert getattr(server_stub, name) is getattr(server_stub, name)


def test_an_unknown_name_is_an_attribute_error_as_of_any_module() -> None:
    name = "Sever"
    with pytest.raises(AttributeError, match=rf"^module 'server_stub' has no attribute '{name}'$"):
        getattr(server_stub, name)


@pytest.mark.parametrize("code", ["import server_stub.process", "from server_stub import serve, Settings"])
def test_a_relay_runs_without_the_libraries_of_its_command_line(code: str) -> None:
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "server_stub.server" in loaded
    assert not {"cyclopts", "attrs", "rich"} & set(loaded)
