from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from server_stub import Settings, StartError
from server_stub.credentials import Credentials
from server_stub.handshake.tokens import TokenError
from tests.certificates import CertificateFiles, issue
from tests.server_stub.handshake.signing import SECRET, token


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return issue(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def settings(files: CertificateFiles, secret: Path) -> Settings:
    return Settings(tls_cert=files.chain, tls_key=files.key, jwt_secret_file=(secret,))


def accepts(credentials: Credentials, secret: bytes) -> bool:
    """Whether a token that is signed with this secret is accepted."""
    assert credentials.tokens is not None
    try:
        credentials.tokens.verify([f"Bearer {token(key=secret)}"])
    except TokenError:
        return False
    return True


def test_a_reload_reads_the_certificate_and_the_keys_again(
    settings: Settings, secret: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    credentials = Credentials(settings, time.time)
    before = credentials.tls
    issue(tmp_path)
    secret.write_bytes(b"x" * 32)
    credentials.reload()
    assert credentials.tls is not before
    assert accepts(credentials, b"x" * 32)
    assert not accepts(credentials, SECRET)
    assert caplog.messages[-1] == "reloaded the certificate and the keys, for new connections"


def test_a_reload_changes_nothing_if_one_file_cannot_be_used(
    settings: Settings, secret: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = Credentials(settings, time.time)
    before = credentials.tls
    issue(tmp_path)
    secret.write_bytes(b"short")
    credentials.reload()
    assert credentials.tls is before
    assert accepts(credentials, SECRET)
    (line,) = caplog.messages
    assert line.startswith("failed to reload, so the old certificate and keys stay in use: ")
    assert str(secret) in line


def test_without_a_certificate_and_a_key_there_is_nothing_to_reload(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    credentials = Credentials(Settings(), time.time)
    credentials.reload()
    assert (credentials.tls, credentials.tokens) == (None, None)
    assert caplog.messages == ["nothing to reload: there is neither a certificate nor a key"]


def test_a_certificate_that_cannot_be_used_is_a_reason_not_to_start(
    settings: Settings, files: CertificateFiles
) -> None:
    Path(files.chain).write_text("no certificate")
    with pytest.raises(StartError, match=r"--tls-cert .*: no certificate"):
        Credentials(settings, time.time)
