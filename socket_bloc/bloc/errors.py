"""What a bloc raises to those who misuse it. What fails inside a handler goes to `on_error`."""

from __future__ import annotations

__all__ = [
    "BlocClosedError",
    "BlocError",
    "DuplicateHandlerError",
    "EmitterError",
    "MissingHandlerError",
]


class BlocError(RuntimeError):
    """A bloc was not used as it must be; the message says what to do instead."""


class BlocClosedError(BlocError):
    """The bloc was closed before this call."""


class MissingHandlerError(BlocError):
    """An event was added for which no handler is registered."""


class DuplicateHandlerError(BlocError):
    """A second handler was registered for the same type of event."""


class EmitterError(BlocError):
    """A handler used its emitter after its own end, or ended while it still listened to a source."""
