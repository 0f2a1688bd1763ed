"""Where the relay listens, and how many connections the system has room for."""

from __future__ import annotations

import ipaddress
import resource
import socket
from typing import Final, NamedTuple

__all__ = ["BACKLOG", "Capacity", "StartError", "bind", "capacity", "raise_file_limit"]

BACKLOG: Final = 1024
"""Connections that may wait to be accepted."""
_SEND_BUFFER: Final = 64 * 1024
"""Bytes that the system keeps for one who does not read; left to itself it keeps megabytes."""
_RESERVED_FILES: Final = 32
"""For all but connections: the database, its log and its lock, the event loop, the standard streams."""
_SHARE: Final = 0.9
"""Of the files that are left, for open WebSockets; the rest is for handshakes, and for saying 503."""


class StartError(Exception):
    """Why a relay does not start, in one line."""


class Capacity(NamedTuple):
    """So many transports at once, and so many of them as open WebSockets."""

    transports: int
    websockets: int


def bind(host: str, port: int, *, insecure: bool) -> socket.socket:
    """A listening socket. Raises `StartError`: an unknown or a taken address, or one that is not loopback.

    `insecure` allows any address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise StartError(f"there is no address {host!r} to listen on") from None
    if not insecure and not ipaddress.ip_address(address[0]).is_loopback:
        reason = "there are no tokens yet, so anybody could be anyone there"
        raise StartError(f"{host} is not loopback, and {reason}; --insecure listens all the same")
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # its connections inherit it
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return listener


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows it to."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:  # which some systems refuse as a soft limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def capacity(max_connections: int) -> Capacity:
    """What there is room for; `max_connections` 0 takes all of it."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    transports = max(1, soft - _RESERVED_FILES)
    websockets = max(1, int(transports * _SHARE))
    return Capacity(transports, min(websockets, max_connections or websockets))
