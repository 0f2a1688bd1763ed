"""The relay as a process: started as users start it, observed from outside, stopped or killed."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.blackbox.wire import TIMEOUT, Address
from tests.blackbox.words import SECRET_TEXT

__all__ = ["RelayProcess", "command", "environment"]

_READY = re.compile(r"listening on (ws://[^/:]+:\d+/order)\n")


def command(**options: object) -> list[str]:
    """Return the command line; `rate_limit=0` is `--rate-limit 0`, and None omits an option."""
    given = [
        (f"--{name.replace('_', '-')}", str(value)) for name, value in options.items() if value is not None
    ]
    return [sys.executable, "-m", "server_stub", *(word for option in given for word in option)]


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with `variables`, and without any other setting of a relay."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return {**inherited, **variables}


class RelayProcess:
    """A relay process, ready once constructed. Its limits are off unless `options` set them.

    `address` is where it listens, `database` its file, `log` what it has written to stderr.
    """

    def __init__(
        self,
        directory: Path,
        *,
        database: Path | None = None,
        variables: Mapping[str, str] | None = None,
        **options: object,
    ) -> None:
        self.database = database or directory / "orders.db"
        self._log = directory / f"relay-{len(list(directory.glob('relay-*')))}.log"
        unlimited = {"rate_limit": 0, "max_connections_per_user": 0}
        options = {"port": 0, "database": f"sqlite:///{self.database}", **unlimited, **options}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command(**options),
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(**(variables or {})),
                text=True,
            )
        try:
            self.address = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Its stderr so far."""
        return self._log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether the process is still running."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """Request a shutdown; `exit_status` waits for it."""
        self._process.send_signal(signal.SIGTERM)

    def exit_status(self, timeout: float = TIMEOUT) -> int:
        """Wait for its exit status. After the line that says it is ready, stdout must be empty."""
        status = self._process.wait(timeout)
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            if not stdout.closed:
                assert stdout.read() == "", "stdout must hold only the line that says where the relay listens"
        return status

    def stop(self) -> int:
        """Shut it down, and return its exit status."""
        self.terminate()
        return self.exit_status()

    def kill(self) -> None:
        """End it at once, as a crash would; does nothing if it has ended already."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def complaints(self) -> list[str]:
        """Return what a relay's log must never contain, but does."""
        forbidden = {
            "a traceback": "Traceback",
            "an exception that nobody took": "never retrieved",
            "a coroutine that nobody awaited": "never awaited",
            "the text of a message": SECRET_TEXT,
            "a raw escape character": "\x1b",
        }
        log = self.log
        return [f"{what} is in the log:\n{log[-4000:]}" for what, text in forbidden.items() if text in log]

    def _wait_until_ready(self) -> Address:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], TIMEOUT)[0]:
            raise AssertionError(f"no output of the relay for {TIMEOUT} s; its log:\n{self.log}")
        line = self._process.stdout.readline()
        ready = _READY.fullmatch(line)
        assert ready, f"not the line of a relay that is ready: {line!r}; its log:\n{self.log}"
        return Address.of(ready[1])
