from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from server_stub.wire.tls import CertificateError, load_certificate
from tests.certificates import AUTHORITY, CertificateFiles, days_from_now, issue


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return issue(tmp_path)


def sources(files: CertificateFiles) -> tuple[str, str]:
    """The names of both files in errors."""
    return f"--tls-cert (RELAY_TLS_CERT), {files.chain}", f"--tls-key (RELAY_TLS_KEY), {files.key}"


def error_of(chain: str, key: str) -> str:
    with pytest.raises(CertificateError) as caught:
        load_certificate(chain, key)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_keys_of_each_kind_are_used_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: trustme.KeyType
) -> None:
    assert load_certificate(*issue(tmp_path, key_type=kind)).cert_store_stats()["x509"] == 0
    assert caplog.messages == []


def test_tls_1_2_is_the_least_and_nothing_is_compressed_or_renegotiated(files: CertificateFiles) -> None:
    context = load_certificate(*files)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_a_chain_with_an_intermediate_certificate_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = issue(tmp_path, authority=AUTHORITY.create_child_ca())
    assert Path(files.chain).read_text().count("BEGIN CERTIFICATE") == 2
    load_certificate(*files)
    assert caplog.messages == []


def test_what_stands_between_the_certificates_is_ignored(files: CertificateFiles) -> None:
    chain = Path(files.chain)
    chain.write_bytes("subject: Müller\n".encode() + chain.read_bytes())
    load_certificate(*files)


@pytest.mark.parametrize(
    ("before", "after", "warning"),
    [
        (-2, -1, "clients will refuse the certificate in {}: certificate has expired"),
        (1, 90, "clients will refuse the certificate in {}: certificate is not yet valid"),
        (-1, 13, "the certificate in {} expires on "),
    ],
)
def test_a_certificate_that_is_not_valid_for_long_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, before: int, after: int, warning: str
) -> None:
    files = issue(tmp_path, not_before=days_from_now(before), not_after=days_from_now(after))
    load_certificate(*files)
    (message,) = caplog.messages
    assert message.startswith(warning.format(files.chain))


@pytest.mark.parametrize("content", [None, b"", b"hello", b"\xff\x00"])
def test_a_file_without_the_right_content_is_named(files: CertificateFiles, content: bytes | None) -> None:
    for source, file in zip(sources(files), files, strict=True):
        path = Path(file)
        before = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        reason = "cannot be read: No such file" if content is None else "no "
        assert error_of(*files).startswith(f"{source}: {reason}")
        path.write_bytes(before)


@pytest.mark.parametrize(("path", "reason"), [("/", "not a regular file"), ("a\0b", "a NUL in its path")])
def test_what_is_no_file_is_named(files: CertificateFiles, path: str, reason: str) -> None:
    assert error_of(path, files.key) == f"--tls-cert (RELAY_TLS_CERT), {path}: cannot be read: {reason}"


def test_files_that_were_swapped_are_named(files: CertificateFiles) -> None:
    assert error_of(files.key, files.chain).startswith("--tls-cert")
    assert error_of(files.chain, files.chain).startswith("--tls-key")


def test_a_certificate_that_cannot_be_parsed_is_named(files: CertificateFiles) -> None:
    Path(files.chain).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert error_of(*files) == f"{sources(files)[0]}: not a valid certificate"


def test_a_key_that_cannot_be_parsed_is_named(files: CertificateFiles) -> None:
    Path(files.key).write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert error_of(*files) == f"{sources(files)[1]}: not a valid private key"


def test_the_key_of_another_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    pair = CertificateFiles(files.chain, issue(tmp_path, name="other").key)
    assert error_of(*pair) == f"{sources(pair)[1]}: not the key of the first certificate in {files.chain}"


def test_a_certificate_that_openssl_refuses_is_named_with_its_reason(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        error = ssl.SSLError("[SSL: EE_KEY_TOO_SMALL] ee key too small")
        error.reason = "EE_KEY_TOO_SMALL"
        raise error

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    assert error_of(*files) == f"{sources(files)[0]}: ee key too small"


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused_without_asking_for_its_pass_phrase(
    files: CertificateFiles, form: PrivateFormat
) -> None:
    path = Path(files.key)
    key = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"open sesame")))
    assert error_of(*files).startswith(f"{sources(files)[1]}: protected by a pass phrase; ")
