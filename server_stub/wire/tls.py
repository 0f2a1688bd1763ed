"""The relay's certificate: from its files to an `SSLContext`, checked as a client would.

What is encrypted with it is in `tls_transport`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from server_stub.key_file import KeyFileError, read_key_file

__all__ = ["CertificateError", "load_certificate"]

_log = logging.getLogger("server_stub")

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_EXPIRES_SOON: Final = timedelta(days=14)


class CertificateError(Exception):
    """The certificate or its key cannot be used; one line names the option and the file, and says why."""


def load_certificate(chain: str, key: str) -> ssl.SSLContext:
    """Return a context with a chain of certificates, the relay's own first, and its private key.

    Both are PEM files. Raises `CertificateError`. Logs a warning if clients will refuse the certificate, or
    will do so soon.
    """
    chain_source = f"--tls-cert (RELAY_TLS_CERT), {chain}"
    key_source = f"--tls-key (RELAY_TLS_KEY), {key}"
    certificates = _CERTIFICATE.findall(_read(chain, chain_source))
    if not certificates:
        raise CertificateError(f"{chain_source}: no certificate in PEM format")
    if not _PRIVATE_KEY.search(_read(key, key_source)):
        raise CertificateError(f"{key_source}: no private key in PEM format")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trust also what is not signed by itself
    try:
        client.load_verify_locations(cadata=b"\n".join(certificates).decode())
    except ssl.SSLError:
        raise CertificateError(f"{chain_source}: not a valid certificate") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(chain, key, password=_refuse_to_decrypt)
        _warn_of_expiry(chain, context, client)
    except _EncryptedKeyError:
        hint = "write it without one to a file: openssl pkey -in FILE"
        raise CertificateError(f"{key_source}: protected by a pass phrase; {hint}") from None
    except OSError as error:  # of which ssl.SSLError is a kind
        match error:
            case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
                reason = f"{key_source}: not the key of the first certificate in {chain}"
            case ssl.SSLError(reason=str(reason)):
                reason = f"{chain_source}: {reason.replace('_', ' ').lower()}"
            case _:
                reason = f"{key_source}: not a valid private key"
        raise CertificateError(reason) from None
    return context


class _EncryptedKeyError(Exception):
    """OpenSSL wants the pass phrase of the key."""


def _refuse_to_decrypt() -> NoReturn:
    raise _EncryptedKeyError  # without this function, OpenSSL would ask on the terminal


def _read(path: str, source: str) -> bytes:
    try:
        return read_key_file(path)
    except KeyFileError as error:
        raise CertificateError(f"{source}: {error}") from None


def _warn_of_expiry(chain: str, context: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Log a warning if a client that trusts the certificate refuses it, or will do so soon."""
    try:
        expires_at = _expiry(context, client)
    except ssl.SSLCertVerificationError as error:
        _log.warning("clients will refuse the certificate in %s: %s", chain, error.verify_message)
        return
    if expires_at < datetime.now(UTC) + _EXPIRES_SOON:
        _log.warning("the certificate in %s expires on %s; renew it", chain, expires_at.date().isoformat())


def _expiry(context: ssl.SSLContext, client_context: ssl.SSLContext) -> datetime:
    """Play a handshake in memory, and return when the certificate expires. Raises `ssl.SSLError`."""
    to_relay, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    relay = context.wrap_bio(to_relay, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_relay)
    for side in (client, relay, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    certificate = client.getpeercert()
    assert certificate is not None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
