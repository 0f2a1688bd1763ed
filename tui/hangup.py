"""Ends an app whose terminal is gone, also if no SIGHUP says so.

Without it, Textual reads the end of its input again and again, at the full load of a processor.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["on_hangup"]

GRACE: Final = 5.0
"""Seconds from the hangup, after which the process is ended in any case."""


@contextmanager
def on_hangup(terminal: int, leave: Callable[[], object]) -> Generator[None]:
    """Call `leave` on the running loop if the terminal with this descriptor hangs up in the meantime.

    If the block has not been left some seconds later, end the process: Textual may wait for its writing
    thread, which has failed.
    """
    loop = asyncio.get_running_loop()
    still_in, in_block = os.pipe()
    hangups = select.poll()
    hangups.register(terminal, 0)  # a hangup is always reported
    hangups.register(still_in, 0)

    def watch() -> None:
        ended = [descriptor for descriptor, _ in hangups.poll()]
        if terminal in ended:
            loop.call_soon_threadsafe(leave)
            hangups.unregister(terminal)
            if not hangups.poll(GRACE * 1000):
                os._exit(1)

    watcher = threading.Thread(target=watch, name="terminal-hangup", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.close(in_block)
        watcher.join()
        os.close(still_in)
