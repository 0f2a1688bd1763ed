"""The machine and the relay's process, as the benchmark sees them.

CPU time and memory of the relay are read from /proc; without it, they are NaN.
"""

from __future__ import annotations

import math
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

__all__ = ["DATABASE", "ForeignRelay", "OwnRelay", "allow_open_files", "describe_machine", "own_cpu_seconds"]

DATABASE: Final = "orders.db"
"""The name of the database in the directory of a relay."""
_READY: Final = "listening on "
_WITHOUT_UVLOOP: Final = """
import sys
sys.modules["uvloop"] = None
from server_stub.__main__ import main
sys.exit(main())
"""


class ForeignRelay:
    """A relay that runs already, and whose process cannot be measured."""

    def __init__(self, url: str) -> None:
        self.url = url

    def cpu_seconds(self) -> float:
        """CPU time that the relay has taken so far, the kernel's on its behalf included."""
        return math.nan

    def resident_kib(self) -> float:
        """Resident memory of the relay. The kernel's buffers for its sockets are no part of it."""
        return math.nan

    def stop(self) -> int | None:
        """Shut it down; return how many statuses are in its database, or None if that is unknown."""
        return None


class OwnRelay(ForeignRelay):
    """A relay as a process of our own, on a database in `directory`; each is made if it does not exist.

    `certificate` is a PEM file with the certificate and its key; with it, the relay speaks TLS.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_connections: int,
        certificate: Path | None = None,
        rate_limit: float = 0,
        has_uvloop: bool = True,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self._database = directory / DATABASE
        options = {
            "--port": "0",
            "--database": f"sqlite:///{self._database}",
            "--rate-limit": str(rate_limit),
            "--max-connections": str(max_connections),
        }
        if certificate is not None:
            options |= {"--tls-cert": str(certificate), "--tls-key": str(certificate)}
        module = ["-m", "server_stub"] if has_uvloop else ["-c", _WITHOUT_UVLOOP]
        argv = [sys.executable, *module, *(word for option in options.items() for word in option)]
        log = directory / "relay.log"
        at = time.perf_counter()
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            line = stdout.readline()
        if not line.startswith(_READY):
            self._process.wait()
            raise SystemExit(f"the relay did not start: {log.read_text().strip()}")
        self.start_ms = (time.perf_counter() - at) * 1000
        """From starting the process until it listens."""
        super().__init__(line.removeprefix(_READY).strip())

    def cpu_seconds(self) -> float:
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.nan
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self) -> float:
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return math.nan
        return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def stop(self) -> int | None:
        self._process.terminate()
        self._process.wait()
        database = sqlite3.connect(self._database)
        try:
            (count,) = database.execute("SELECT count(*) FROM statuses").fetchone()
        finally:
            database.close()
        return int(count)


def own_cpu_seconds() -> float:
    """CPU time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def allow_open_files(count: int) -> None:
    """Let this process, and the relay that it starts, have so many connections open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 100
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise SystemExit(f"{count} connections need {needed} open files, and `ulimit -Hn` is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


def describe_machine(directory: Path) -> str:
    """What it runs on, in two lines; the disk is that of `directory`."""
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; "
        f"fsync of 4 KiB in {_fsync_ms(directory):.2f} ms (median of 100, in {directory.parent})"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_ms(directory: Path) -> float:
    times: list[float] = []
    with (directory / "fsync").open("wb") as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            at = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - at)
    return statistics.median(times) * 1000
