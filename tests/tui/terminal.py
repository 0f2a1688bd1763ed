"""A terminal for an app that runs as a process: a pseudo-terminal, and a screen that reads it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pyte

TIMEOUT = 20.0
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
ALTERNATE_SCREEN, CURSOR, MOUSE = 1049, 25, (1000, 1002, 1003, 1006)


class Terminal:
    """The output of a process, and its keyboard."""

    def __init__(
        self, master: int, slave: int, process: subprocess.Popen[bytes], size: tuple[int, int]
    ) -> None:
        self.process = process
        self.output = b""
        self._master = master
        self._slave = slave
        self._before = termios.tcgetattr(slave)
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        self.is_hung_up = False

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def read(self) -> None:
        """Read what is available."""
        with suppress(OSError):  # the other side is closed
            data = os.read(self._master, 65536)
            self.output += data
            self._stream.feed(data)
        self._changed.set()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal. It is not the process's controlling one, so no SIGHUP is sent."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        self.is_hung_up = True

    async def shows(self, *texts: str) -> None:
        """Wait until each of these texts is on the screen."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while not all(text in self.text for text in texts):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"timed out waiting for {texts}; the screen:\n{self.text}") from None

    async def ended(self) -> int:
        """Wait for the end of the process and of its output. Returns the exit status."""
        status = await asyncio.to_thread(self.process.wait, TIMEOUT)
        if self.is_hung_up:
            return status
        os.set_blocking(self._master, False)
        with suppress(BlockingIOError):
            while True:
                before = len(self.output)
                self.read()
                if len(self.output) == before:
                    break
        return status

    def is_on(self, mode: int) -> bool:
        """Return whether the process has left this mode of the terminal on (`CSI ? mode h`)."""
        last = False
        for match in _MODE.finditer(self.output):
            if str(mode).encode() in match[1].split(b";"):
                last = match[2] == b"h"
        return last

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is as it was before the process."""
        is_left = not self.is_on(ALTERNATE_SCREEN) and not any(self.is_on(mode) for mode in MOUSE)
        return is_left and self.is_on(CURSOR) and termios.tcgetattr(self._slave) == self._before


@asynccontextmanager
async def in_terminal(
    arguments: Sequence[str], environ: dict[str, str], size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Terminal]:
    """Run Python with these arguments in a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    process = _start(arguments, environ, slave)
    terminal = Terminal(master, slave, process, size)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, terminal.read)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        if not terminal.is_hung_up:
            terminal.hang_up()
        os.close(slave)


def _start(arguments: Sequence[str], environ: dict[str, str], terminal: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        start_new_session=True,
    )
