"""Keys of each kind and tokens of any content, signed or not, for the tests of tokens."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt import PyJWS

SECRET = b"a secret that is nowhere to be found"
OTHER_SECRET = b"another secret, for the rotation of it"

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)


@cache
def private_key(kind: str) -> PrivateKey:
    """A new private key; the same one at each call."""
    match kind:
        case "RSA" | "another RSA":
            return rsa.generate_private_key(65537, 2048)
        case "RSA of 1024 bits":
            return rsa.generate_private_key(65537, 1024)
        case "EC":
            return ec.generate_private_key(ec.SECP256R1())
        case "EC on P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EC on secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return ed448.Ed448PrivateKey.generate()


def public_pem(kind: str) -> bytes:
    """The public key of that private key."""
    return private_key(kind).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(kind: str) -> bytes:
    """The private key itself."""
    return private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def written(path: Path, content: bytes) -> Path:
    """The path, once the content is in the file."""
    path.write_bytes(content)
    return path


def signed(payload: bytes, key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    """A token of any payload and headers."""
    return PyJWS().encode(payload, key, algorithm, headers)


def token(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token of these claims; those of a valid one for the client `c-1` are added."""
    claims = {"sub": "c-1", "type": "client", "exp": 10_000_000_000} | claims
    return signed(json.dumps(claims).encode(), key, algorithm)
