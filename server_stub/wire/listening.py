"""The listening socket, and how many connections the file limit allows."""

from __future__ import annotations

import ipaddress
import resource
import socket
from typing import Final, NamedTuple

__all__ = ["BACKLOG", "Capacity", "Protection", "StartError", "bind", "capacity", "raise_file_limit"]

BACKLOG: Final = 1024
"""Connections that may wait to be accepted."""
_SEND_BUFFER: Final = 64 * 1024
"""Bytes that the kernel buffers for a slow reader; its default would be megabytes."""
_RESERVED_FILES: Final = 32
"""For everything but connections: database, WAL, lock file, event loop, standard streams."""
_SHARE: Final = 0.9
"""Share of the remaining files for open WebSockets; the rest is for handshakes and 503 responses."""


class StartError(Exception):
    """The relay cannot start; one line says why."""


class Capacity(NamedTuple):
    """The maximum of transports, and of open WebSockets among them."""

    transports: int
    websockets: int


class Protection(NamedTuple):
    """What protects the users of a relay from others."""

    has_key: bool
    """Whether a token is needed to connect."""
    has_tls: bool
    insecure: bool
    """Whether it may listen on any address without these."""

    def check(self, host: str, address: str) -> None:
        """Raise `StartError` if it is too little for `address`, the one of `host`."""
        if self.insecure or (self.has_key and self.has_tls) or _is_loopback(address):
            return
        dangers: list[str] = []
        if not self.has_key:
            dangers.append(
                "without --jwt-secret-file or --jwt-public-key-file any client could impersonate any user"
            )
        if not self.has_tls:
            dangers.append("without --tls-cert and --tls-key others could read and change what is sent")
        reason = ", and ".join(dangers)
        raise StartError(f"{host} is not loopback, and {reason}; set these, or listen anyway with --insecure")

    def describe(self, address: str) -> str:
        """Return who may connect to `address`, and how."""
        clients = "programs on this machine" if _is_loopback(address) else "all that can reach this address"
        identity = "with a valid token" if self.has_key else "as any user, without a token"
        return f"{clients} may connect, {identity}, {'over TLS' if self.has_tls else 'in plain text'}"


def bind(host: str, port: int, protection: Protection) -> socket.socket:
    """Return a listening socket.

    Raises `StartError` if the address is unknown, in use, or not loopback and there is too little protection.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise StartError(f"cannot listen on {host!r}: unknown address") from None
    protection.check(host, str(address[0]))
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # inherited by its connections
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return listener


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:  # some systems reject it as a soft limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def capacity(max_connections: int) -> Capacity:
    """Return the limits of connections; with `max_connections` 0, those of the system."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    transports = max(1, soft - _RESERVED_FILES)
    websockets = max(1, int(transports * _SHARE))
    return Capacity(transports, min(websockets, max_connections or websockets))
