"""The relay: commits order statuses, and passes them to both sides of their order.

`python -m server_stub` runs it as a process; `serve` runs it inside yours. docs/protocol.md describes what it
speaks. Each public name is imported from its module on first use: the apps' commands need none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server_stub.observer import RelayObserver
    from server_stub.records import Entry, User
    from server_stub.server import Server, serve
    from server_stub.settings import Settings
    from server_stub.wire.listening import StartError

__all__ = ["Entry", "RelayObserver", "Server", "Settings", "StartError", "User", "serve"]

# Where the public names are defined; the modules that import little come first.
_MODULES = ("settings", "records", "observer", "wire.listening", "server")

if not TYPE_CHECKING:  # a type checker that sees a `__getattr__` accepts any name

    def __getattr__(name: str) -> object:
        """Import a public name on first use (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        modules = (import_module(f"{__name__}.{module}") for module in _MODULES)
        value = next(getattr(module, name) for module in modules if name in module.__all__)
        return globals().setdefault(name, value)
