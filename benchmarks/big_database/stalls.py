"""A process that asks a relay for `/healthz` again and again, to see when it stalls.

    python -m benchmarks.big_database.stalls HOST PORT

It is a process of its own, so that a busy load generator does not look like a stall of the relay. On SIGTERM
it prints one JSON object: the number of requests, and their p50, p99 and longest time in milliseconds.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from typing import Final

__all__ = ["main"]

_PAUSE: Final = 0.005
_REQUEST: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main() -> None:
    """Ask until SIGTERM comes."""
    address = (sys.argv[1], int(sys.argv[2]))
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    times: list[float] = []
    while not stopped:
        time.sleep(_PAUSE)
        at = time.perf_counter()
        with socket.create_connection(address) as connection:
            connection.sendall(_REQUEST)
            answer = connection.recv(4096)
        times.append((time.perf_counter() - at) * 1000)
        if b" 200 " not in answer:
            raise SystemExit(f"/healthz answered {answer!r}")
    times.sort()
    print(
        json.dumps(
            {
                "requests": len(times),
                "p50_ms": times[len(times) // 2],
                "p99_ms": times[len(times) * 99 // 100],
                "longest_ms": times[-1],
            }
        )
    )


if __name__ == "__main__":
    main()
