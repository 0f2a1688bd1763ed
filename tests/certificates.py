"""Certificates that the tests make as they run, signed by an authority of their own."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import trustme

__all__ = ["AUTHORITY", "HOSTS", "CertificateFiles", "days_from_now", "issue", "trusting"]

AUTHORITY = trustme.CA()
HOSTS = ("127.0.0.1", "::1", "localhost")


class CertificateFiles(NamedTuple):
    """A chain of certificates and its private key, in PEM files."""

    chain: str
    key: str

    @property
    def options(self) -> tuple[str, ...]:
        """The relay's options for these."""
        return "--tls-cert", self.chain, "--tls-key", self.key


def issue(
    folder: Path,
    *hosts: str,
    authority: trustme.CA = AUTHORITY,
    name: str = "relay",
    **details: Any,
) -> CertificateFiles:
    """Issue a certificate, for `HOSTS` if none are given, and write it with its key to a folder."""
    certificate = authority.issue_cert(*(hosts or HOSTS), **details)
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return CertificateFiles(str(chain), str(key))


def trusting(authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """A client's context that trusts an authority and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


def days_from_now(days: float) -> datetime:
    """A moment for `not_before` and `not_after`."""
    return datetime.now(UTC) + timedelta(days=days)
