"""The exceptions for using a bloc wrongly. What a handler raises is its own, and goes to `on_error`."""

from __future__ import annotations

__all__ = [
    "BlocClosedError",
    "BlocError",
    "DuplicateHandlerError",
    "EmitterError",
    "MissingHandlerError",
]


class BlocError(RuntimeError):
    """A bloc was used wrongly; the message says what to do instead."""


class BlocClosedError(BlocError):
    """The bloc was closed before this call."""


class MissingHandlerError(BlocError):
    """No handler is registered for the type of an added event."""


class DuplicateHandlerError(BlocError):
    """A second handler was registered for the same type of event."""


class EmitterError(BlocError):
    """A handler used its emitter after it had ended, or ended while it was listening to a source."""
