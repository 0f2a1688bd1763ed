"""The relay's certificate and the keys for tokens: read from their files at the start, and again at a reload.

What they are is in `wire.tls` and `handshake.keys`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable

from server_stub.handshake.tokens import TokenVerifier
from server_stub.settings import Settings
from server_stub.wire.listening import StartError
from server_stub.wire.tls import CertificateError, load_certificate

__all__ = ["Credentials"]

_log = logging.getLogger("server_stub")


class Credentials:
    """What the settings name, as it was read last. Raises `StartError`.

    `tls` is the context for new connections, None without a certificate; `tokens` verifies tokens, None
    without a key. `clock` returns seconds since 1970.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self.tls = _tls(settings)
        self.tokens = _verifier(settings, clock)

    def reload(self) -> None:
        """Read all files again; if one of them cannot be used, nothing changes, and the log says why."""
        if self.tls is None and self.tokens is None:
            _log.info("nothing to reload: there is neither a certificate nor a key")
            return
        try:
            tls, tokens = _tls(self._settings), _verifier(self._settings, self._clock)
        except StartError as error:
            _log.error("failed to reload, so the old certificate and keys stay in use: %s", error)
        else:
            self.tls, self.tokens = tls, tokens
            _log.info("reloaded the certificate and the keys, for new connections")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return load_certificate(settings.tls_cert, settings.tls_key)
    except CertificateError as error:
        raise StartError(str(error)) from None


def _verifier(settings: Settings, clock: Callable[[], float]) -> TokenVerifier | None:
    if not settings.has_key:
        return None
    try:
        from server_stub.handshake.keys import InvalidKeyError, load_keys
    except ImportError:
        raise StartError("tokens need PyJWT; run: pip install 'socket-bloc[server]'") from None
    secret = settings.jwt_secret
    try:
        keys = load_keys(
            settings.jwt_secret_file,
            settings.jwt_public_key_file,
            None if secret is None else secret.get_secret_value(),
        )
    except InvalidKeyError as error:
        raise StartError(str(error)) from None
    for key in keys:
        _log.info("users need a token, signed by %s: %s", key.algorithm, key.source)
    return TokenVerifier(keys, clock, settings.jwt_audience)
