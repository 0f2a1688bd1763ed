"""TLS to the relay: which context is valid, and what its errors mean. No I/O.

The context itself is made by whoever uses it, or by `websockets`.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Final

from websockets.uri import parse_uri

from socket_bloc.session.disconnect import Disconnect, InvalidCertificate, NotTls, Unreachable

__all__ = ["check_ssl", "classify_tls"]

# What to do about a certificate, by OpenSSL's number for what is wrong with it.
_OTHER_ISSUER: Final = (
    "if it is the relay's own, trust its issuer: ssl=ssl.create_default_context(cafile=...), or --ca-file "
    "in the apps"
)
_OTHER_HOST: Final = "use a host name that it is for"
_ADVICE: Final = {
    9: "check the clock of this machine",
    10: "renew it on the relay, or check the clock of this machine",
    18: _OTHER_ISSUER,
    19: _OTHER_ISSUER,
    20: _OTHER_ISSUER,
    21: _OTHER_ISSUER,
    62: _OTHER_HOST,
    64: _OTHER_HOST,
}
# What OpenSSL, in its different versions, calls an answer that is not TLS.
_NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")


def check_ssl(context: object, uris: Sequence[str]) -> ssl.SSLContext | None:
    """Validate the TLS context for relay URIs and return it. Raises `ValueError` if it is invalid."""
    if context is None:
        return None
    if not isinstance(context, ssl.SSLContext) or context.protocol is ssl.PROTOCOL_TLS_SERVER:
        raise ValueError("ssl: it must be a client's SSLContext, as from ssl.create_default_context()")
    for uri in uris:
        if not parse_uri(uri).secure:
            raise ValueError(f"ssl: it needs a uri that begins with wss://, unlike {uri}")
    return context


def classify_tls(error: ssl.SSLError) -> Disconnect:
    """Return what an error in the TLS handshake means."""
    match error:
        case ssl.SSLCertVerificationError():
            what = error.verify_message.rstrip(".")
            advice = _ADVICE.get(error.verify_code)
            return InvalidCertificate(what if advice is None else f"{what}; {advice}")
        case ssl.SSLError(reason=str(reason)) if reason not in _NOT_TLS:
            return Unreachable(f"TLS failed: {reason.replace('_', ' ').lower()}")
        case ssl.SSLError(reason=str()):
            return NotTls()
        case _:
            return Unreachable(f"TLS failed: {error}")
