"""The relay: commits order statuses, and passes them to both sides of their order.

`python -m server_stub` runs it as a process; `serve` runs it inside yours. docs/protocol.md says what it
speaks.
"""

from __future__ import annotations

from server_stub.observer import RelayObserver
from server_stub.records import Entry, User
from server_stub.server import Server, serve
from server_stub.settings import Settings
from server_stub.wire.listening import StartError

__all__ = ["Entry", "RelayObserver", "Server", "Settings", "StartError", "User", "serve"]
