"""The keys that tokens are signed with, and the algorithm of each; read from files when the relay starts.

The only module that imports PyJWT and cryptography, which take 9 MB and 80 ms: a relay without a key does not
import it. What the claims of a token must be is in `tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm

from server_stub.key_file import KeyFileError, read_key_file

__all__ = ["SECRET", "InvalidKeyError", "Key", "check_secret", "load_keys", "read_secret", "sign"]

SECRET: Final = "RELAY_JWT_SECRET"
"""The environment variable that holds a secret itself."""
MIN_SECRET: Final = 32
"""Bytes of a secret, which is as many as HS256 makes use of."""
MIN_RSA: Final = 2048
"""Bits of an RSA key."""
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_HEADERS_WITH_A_KEY: Final = frozenset({"jku", "jwk", "x5u", "x5c"})

_PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class InvalidKeyError(ValueError):
    """A key cannot be used; one line says where it is from, what is wrong, and what to do. Never the key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, the one algorithm that it is for, and where it is from."""

    algorithm: str
    source: str
    _material: bytes | _PublicKey = field(repr=False)
    _jws: PyJWS = field(repr=False)

    def payload(self, token: str) -> bytes | None:
        """Return the payload of a token that is signed with this key by its algorithm, otherwise None.

        A `kid` is ignored: it only helps to choose among keys. A header that brings a key of its own, or that
        this relay would have to understand (`crit`), is refused.
        """
        try:
            decoded = self._jws.decode_complete(token, self._material, [self.algorithm])
        except PyJWTError:
            return None
        header = decoded["header"]
        return None if "crit" in header or not _HEADERS_WITH_A_KEY.isdisjoint(header) else decoded["payload"]


def load_keys(
    secret_files: Iterable[Path], public_key_files: Iterable[Path], secret: bytes | None
) -> tuple[Key, ...]:
    """Return the keys of the settings. Raises `InvalidKeyError`."""
    secrets = [] if secret is None else [(check_secret(secret, SECRET), SECRET)]
    for path in secret_files:
        source = _source("jwt-secret-file", path)
        secrets.append((read_secret(path, source), source))
    return (
        *(_key("HS256", source, secret) for secret, source in secrets),
        *(_read_public_key(path, _source("jwt-public-key-file", path)) for path in public_key_files),
    )


def read_secret(path: Path, source: str) -> bytes:
    """Return the secret in a file. Raises `InvalidKeyError`, with `source` as what it is from."""
    return check_secret(_read(path, source), source)


def check_secret(secret: bytes, source: str) -> bytes:
    """Return a secret without its final line feed. Raises `InvalidKeyError`."""
    secret = secret.removesuffix(b"\n")
    if len(secret) < MIN_SECRET:
        hint = f"make one with: openssl rand -hex {MIN_SECRET}"
        raise InvalidKeyError(f"{source}: a secret needs at least {MIN_SECRET} bytes; {hint}")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        is_secret = not _PEM.search(secret)
    except PyJWTError:
        is_secret = False
    if not is_secret:
        hint = "use --jwt-public-key-file for a public key"
        raise InvalidKeyError(f"{source}: a key in PEM, SSH or JWK format, not a secret; {hint}")
    return secret


def sign(payload: bytes, secret: bytes) -> str:
    """Return a token that is signed by HS256."""
    return PyJWS(["HS256"]).encode(payload, secret, "HS256")


def _read_public_key(path: Path, source: str) -> Key:
    pem = _read(path, source)
    labels = _PEM.findall(pem)
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        raise InvalidKeyError(
            f"{source}: a private key, which the relay must not have; "
            "write its public key to a file: openssl pkey -in FILE -pubout"
        )
    if labels == [b"CERTIFICATE"]:
        raise InvalidKeyError(
            f"{source}: a certificate; write its public key to a file: openssl x509 -in FILE -noout -pubkey"
        )
    if len(labels) > 1:
        raise InvalidKeyError(f"{source}: {len(labels)} keys; give each a file and an option of its own")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKeyError(f"{source}: not a valid public key in PEM format") from None
    match key:
        case RSAPublicKey() if key.key_size < MIN_RSA:
            raise InvalidKeyError(f"{source}: an RSA key of {key.key_size} bits; use at least {MIN_RSA}")
        case RSAPublicKey():
            return _key("RS256", source, key)
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return _key("ES256", source, key)
        case Ed25519PublicKey():
            return _key("EdDSA", source, key)
        case _:
            raise InvalidKeyError(
                f"{source}: unsupported kind of key; use RSA, EC on the curve P-256, or Ed25519"
            )


def _key(algorithm: str, source: str, material: bytes | _PublicKey) -> Key:
    return Key(algorithm, source, material, PyJWS([algorithm]))


def _source(option: str, path: Path) -> str:
    variable = f"RELAY_{option.replace('-', '_').upper()}"
    return f"--{option} ({variable}): {path}"


def _read(path: Path, source: str) -> bytes:
    try:
        return read_key_file(path)
    except KeyFileError as error:
        raise InvalidKeyError(f"{source}: {error}") from None
