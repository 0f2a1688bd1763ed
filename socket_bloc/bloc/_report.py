"""Where an error goes that no caller can be given: to the event loop's exception handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ParamSpec

__all__ = ["report", "safely"]

P = ParamSpec("P")

_logger = logging.getLogger(__name__)


def report(message: str, error: BaseException) -> None:
    """Tell the running loop's exception handler, or the log where no loop runs.

    The message must name types only, since it ends up in logs; events and states have no place there.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _logger.error(message, exc_info=error)
    else:
        loop.call_exception_handler({"message": message, "exception": error})


def safely(hook: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a hook whose failure must not stop what calls it."""
    try:
        hook(*args, **kwargs)
    except Exception as error:
        report(f"{getattr(hook, '__qualname__', hook)} failed", error)
