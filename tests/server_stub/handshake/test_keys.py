from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from server_stub.handshake.keys import InvalidKeyError, Key, load_keys
from server_stub.key_file import MAX_SIZE
from tests.server_stub.handshake.signing import (
    OTHER_SECRET,
    SECRET,
    private_key,
    private_pem,
    public_pem,
    signed,
    written,
)

PAYLOAD = b'{"sub": "c-1"}'
SHORT = b"31 bytes are too few for it ...."[:31]


def _secret(secret: bytes = SECRET) -> Key:
    (key,) = load_keys((), (), secret)
    return key


def _public(path: Path, kind: str) -> Key:
    (key,) = load_keys((), (written(path / "key.pem", public_pem(kind)),), None)
    return key


def _certificate() -> bytes:
    key = private_key("RSA")
    assert isinstance(key, RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(datetime.datetime(2026, 1, 1))
    builder = builder.not_valid_after(datetime.datetime(2027, 1, 1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _ssh(kind: str) -> bytes:
    return private_key(kind).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


# Loading.


def test_a_secret_is_from_the_environment_or_from_a_file_without_its_final_line_feed(tmp_path: Path) -> None:
    file = written(tmp_path / "secret", SECRET + b"\n")
    (first, second) = load_keys((file,), (), OTHER_SECRET + b"\n")
    assert first.source == "RELAY_JWT_SECRET"
    assert second.source == f"--jwt-secret-file (RELAY_JWT_SECRET_FILE): {file}"
    assert first.payload(signed(PAYLOAD, OTHER_SECRET)) == PAYLOAD
    assert second.payload(signed(PAYLOAD, SECRET)) == PAYLOAD


def test_only_one_final_line_feed_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (key,) = load_keys((written(tmp_path / "secret", SECRET + b"\r\n\n"),), (), None)
    assert key.payload(signed(PAYLOAD, SECRET + b"\r\n")) == PAYLOAD


@pytest.mark.parametrize(("kind", "algorithm"), [("RSA", "RS256"), ("EC", "ES256"), ("Ed25519", "EdDSA")])
def test_the_kind_of_a_public_key_decides_its_algorithm(tmp_path: Path, kind: str, algorithm: str) -> None:
    key = _public(tmp_path, kind)
    assert key.algorithm == algorithm
    assert key.payload(signed(PAYLOAD, private_key(kind), algorithm)) == PAYLOAD


@pytest.mark.parametrize("secret", [b"", b"\n", SHORT, SHORT + b"\n"])
def test_a_secret_of_less_than_32_bytes_is_refused(tmp_path: Path, secret: bytes) -> None:
    reason = "a secret needs at least 32 bytes; make one with: openssl rand -hex 32"
    with pytest.raises(InvalidKeyError, match=f"^RELAY_JWT_SECRET: {reason}$"):
        load_keys((), (), secret)
    with pytest.raises(InvalidKeyError, match=reason):
        load_keys((written(tmp_path / "secret", secret),), (), None)


def test_a_secret_of_32_bytes_is_enough() -> None:
    assert _secret(SHORT + b".").algorithm == "HS256"


@pytest.mark.parametrize(
    "content",
    [
        public_pem("RSA"),
        private_pem("RSA"),
        private_pem("EC")[:80],
        _ssh("Ed25519"),
        b'{"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQ"}',
    ],
    ids=["public", "private", "cut", "ssh", "jwk"],
)
def test_a_key_of_another_kind_is_not_a_secret(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path / "secret", content)
    with pytest.raises(InvalidKeyError) as caught:
        load_keys((file,), (), None)
    assert str(caught.value) == (
        f"--jwt-secret-file (RELAY_JWT_SECRET_FILE): {file}: a key in PEM, SSH or JWK format, not a secret; "
        "use --jwt-public-key-file for a public key"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a valid public key in PEM format"),
        (SECRET, "not a valid public key in PEM format"),
        (public_pem("RSA")[:200], "not a valid public key in PEM format"),
        (_ssh("RSA"), "not a valid public key in PEM format"),
        (private_pem("RSA"), "a private key, .*: openssl pkey -in FILE -pubout"),
        (public_pem("RSA") + private_pem("RSA"), "a private key"),
        (public_pem("RSA") + public_pem("EC"), "2 keys; give each a file and an option of its own"),
        (_certificate(), "a certificate; .*: openssl x509 -in FILE -noout -pubkey"),
        (public_pem("RSA of 1024 bits"), "an RSA key of 1024 bits; use at least 2048"),
        (public_pem("EC on P-384"), "unsupported kind of key; use RSA, EC on the curve P-256, or Ed25519"),
        (public_pem("EC on secp256k1"), "unsupported kind of key"),
        (public_pem("Ed448"), "unsupported kind of key"),
    ],
    ids=[
        *("empty", "secret", "cut", "ssh", "private", "public and private", "two", "certificate"),
        *("RSA of 1024 bits", "P-384", "secp256k1", "Ed448"),
    ],
)
def test_a_public_key_that_cannot_be_used_is_refused_and_not_shown(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = written(tmp_path / "key.pem", content)
    with pytest.raises(InvalidKeyError, match=reason) as caught:
        load_keys((), (file,), None)
    text = str(caught.value)
    assert text.startswith(f"--jwt-public-key-file (RELAY_JWT_PUBLIC_KEY_FILE): {file}: ")
    assert "\n" not in text
    assert not any(line.decode() in text for line in content.splitlines() if line)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent", "cannot be read: No such file or directory"),
        (".", "cannot be read: not a regular file"),
        ("/dev/zero", "cannot be read: not a regular file"),
        ("a\0b", "cannot be read: a NUL in its path"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, path: str, reason: str) -> None:
    for files in ([tmp_path / path], []), ([], [tmp_path / path]):
        with pytest.raises(InvalidKeyError, match=reason):
            load_keys(*files, None)


def test_a_fifo_is_refused_as_nothing_would_end_the_wait_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InvalidKeyError, match="not a regular file"):
        load_keys((tmp_path / "fifo",), (), None)


def test_a_file_that_is_larger_than_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match="larger than a key can be"):
        load_keys((written(tmp_path / "large", b"x" * (MAX_SIZE + 1)),), (), None)


def test_no_key_is_in_its_repr(tmp_path: Path) -> None:
    assert SECRET.decode() not in repr(_secret())
    assert repr(_public(tmp_path, "EC")).endswith("key.pem')")


# Signatures.


def _hs256_with_a_public_key_as_its_secret(pem: bytes) -> str:
    """What PyJWT refuses to sign."""
    text = b".".join(map(base64url_encode, (b'{"alg":"HS256","typ":"JWT"}', PAYLOAD)))
    return (text + b"." + base64url_encode(hmac.digest(pem, text, hashlib.sha256))).decode()


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_secret_verifies_no_other_algorithm(algorithm: str) -> None:
    secret = SECRET * 4
    assert _secret(secret).payload(signed(PAYLOAD, secret, algorithm)) is None


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_an_rsa_key_verifies_rs256_alone(tmp_path: Path, algorithm: str) -> None:
    assert _public(tmp_path, "RSA").payload(signed(PAYLOAD, private_key("RSA"), algorithm)) is None


@pytest.mark.parametrize("kind", ["RSA", "EC", "Ed25519"])
def test_a_token_signed_with_a_public_key_as_its_secret_is_refused(tmp_path: Path, kind: str) -> None:
    pem = public_pem(kind)
    for secret in (pem, pem.removesuffix(b"\n")):
        assert _public(tmp_path, kind).payload(_hs256_with_a_public_key_as_its_secret(secret)) is None


@pytest.mark.parametrize("signature", ["", ".", base64url_encode(b"x" * 32).decode()])
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256"])
def test_a_token_without_a_valid_signature_is_refused(algorithm: str, signature: str) -> None:
    header = base64url_encode(f'{{"alg":"{algorithm}"}}'.encode()).decode()
    assert _secret().payload(f"{header}.{base64url_encode(PAYLOAD).decode()}.{signature}") is None


def test_a_token_of_another_key_is_refused(tmp_path: Path) -> None:
    assert _secret().payload(signed(PAYLOAD, OTHER_SECRET)) is None
    assert _public(tmp_path, "RSA").payload(signed(PAYLOAD, private_key("another RSA"), "RS256")) is None


def test_a_token_whose_text_was_changed_is_refused() -> None:
    head, body, signature = signed(PAYLOAD).split(".")
    other = base64url_encode(PAYLOAD.replace(b"c-1", b"c-2")).decode()
    assert _secret().payload(f"{head}.{other}.{signature}") is None
    assert _secret().payload(f"{head}.{body}.{signature}!") is None
    assert _secret().payload(f"{head}.{body}.{signature}") == PAYLOAD


@pytest.mark.parametrize(
    "headers",
    [
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": True},
        {"crit": []},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
    ],
)
def test_a_header_that_brings_a_key_or_must_be_understood_is_refused(headers: dict[str, Any]) -> None:
    header = base64url_encode(json.dumps({"alg": "HS256", **headers}).encode())
    text = header + b"." + base64url_encode(PAYLOAD)
    signature = base64url_encode(hmac.digest(SECRET, text, hashlib.sha256))
    assert _secret().payload((text + b"." + signature).decode()) is None


def test_the_id_of_a_key_chooses_none_as_the_signature_decides() -> None:
    assert _secret().payload(signed(PAYLOAD, kid="2026-11")) == PAYLOAD
    assert _secret().payload(signed(PAYLOAD, OTHER_SECRET, kid="2026-11")) is None
    assert _secret().payload(signed(PAYLOAD, b"\0" * 32, kid="../../dev/null")) is None


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "eyJ", "a" * 4000, "e30.e30.", "e30.e30.e30", "{}"]
)
def test_a_text_that_is_not_a_token_is_refused(text: str) -> None:
    assert _secret().payload(text) is None
