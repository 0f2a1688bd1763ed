"""The relay as a process, until SIGTERM or Ctrl-C. SIGHUP reloads its certificate."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from server_stub.logs import configure_logs
from server_stub.server import serve
from server_stub.settings import Settings
from server_stub.wire.listening import StartError, raise_file_limit

__all__ = ["run"]

_log = logging.getLogger("server_stub")

_GC_THRESHOLD: Final = (20_000, 20, 20)
"""A batch allocates thousands of tuples and no cycles; the default of 700 collects several times in each."""


def run(settings: Settings) -> int:
    """Run a relay until a signal stops it, or it loses its database, and return the exit status.

    Prints `listening on URI` when the relay is ready. If it cannot start, prints the reason in one line on
    stderr, and returns 1.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a relay that can reload
    configure_logs()
    raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(settings))
    except StartError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"the relay cannot start: {line}\n")
        return 1


async def _run(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_in_one_line)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve(settings) as server:
        loop.add_signal_handler(signal.SIGHUP, server.reload)
        gc.freeze()  # imported modules are never freed, so no collection need visit them
        gc.set_threshold(*_GC_THRESHOLD)
        _announce(server.uri)
        server.failed.add_done_callback(lambda _failed: stop.set())
        await stop.wait()
        _log.info("shutting down")
    return 1 if server.failed.done() else 0


def _announce(uri: str) -> None:
    """Tell whoever started the relay that it is ready. Raises `StartError`."""
    try:
        sys.stdout.write(f"listening on {uri}\n")
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python writes it again at the end, and reports that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StartError(f"cannot write to standard output: {error.strerror}") from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _log_in_one_line(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Without free file descriptors, the loop reports each failed accept, many times a second.
    error = context.get("exception")
    if isinstance(error, OSError):
        _log.error("%s: %s", context["message"], error)
    else:
        _log.error("%s", context["message"], exc_info=error)
