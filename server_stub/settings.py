"""The settings of the relay: the name, default, meaning and valid values of each.

A field of `Settings` is also an option of the command line, an environment variable, and a key of a settings
file: `rate_limit`, `--rate-limit`, `RELAY_RATE_LIMIT`. `command` reads all three. Only `jwt_secret` is not an
option, since a process list would show it, and not a key: `__main__` takes it from `RELAY_JWT_SECRET`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretBytes,
    ValidationInfo,
    field_validator,
)

from server_stub.ledger.backends import check_url

__all__ = ["Settings"]


def _one(value: object) -> object:
    return (value,) if isinstance(value, (str, Path)) else value


def _split(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in value.replace(",", " ").split())


def _database(value: str) -> str:
    check_url(value)
    return value


_Files = Annotated[tuple[Path, ...], BeforeValidator(_one)]
"""Several are for the rotation of a key: each is accepted."""


class Settings(BaseModel):
    """The settings of one relay. Raises `pydantic.ValidationError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="address to listen on; one that is not loopback needs a key and TLS"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8765, description="port to listen on; 0 picks a free one"
    )
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite:///orders.db",
        description="database of the orders: sqlite:///FILE, sqlite:////ABSOLUTE/FILE",
    )
    check: bool = Field(
        default=False, description="read the whole database before listening, and refuse one that is damaged"
    )
    rate_limit: Annotated[float, Field(ge=0)] = Field(
        default=100, description="frames per second that one connection may send; 0 for no limit"
    )
    rate_burst: Annotated[int, Field(ge=0)] = Field(
        default=200, description="frames that one connection may send at once; 0 for no limit"
    )
    max_connections: Annotated[int, Field(ge=0)] = Field(
        default=10_000, description="concurrent connections; 0 for the system's limit"
    )
    max_connections_per_user: Annotated[int, Field(ge=0)] = Field(
        default=32, description="concurrent connections of one user; 0 for no limit"
    )
    max_handshakes: Annotated[int, Field(ge=0)] = Field(
        default=1024,
        description="connections that have sent no request yet; one more closes the oldest; 0 for no limit",
    )
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(_one), AfterValidator(_split)] = Field(
        default=(), description="allowed origins of web pages, separated by commas"
    )
    jwt_secret_file: _Files = Field(
        default=(),
        description="file with a secret of at least 32 bytes, for tokens signed by HS256; "
        "RELAY_JWT_SECRET is the secret itself",
    )
    jwt_public_key_file: _Files = Field(
        default=(), description="PEM file with a public key, for tokens signed by RS256, ES256 or EdDSA"
    )
    jwt_audience: str | None = Field(
        default=None, description="the aud of tokens; without it, a token that has one is refused"
    )
    jwt_secret: SecretBytes | None = Field(
        default=None, exclude=True, description="a secret itself, as an alternative to a file"
    )
    tls_cert: Annotated[str | None, Field(min_length=1)] = Field(
        default=None, description="PEM file of the certificate and its chain; makes the relay speak TLS"
    )
    tls_key: Annotated[str | None, Field(min_length=1)] = Field(
        default=None,
        description="PEM file of the certificate's private key, not encrypted",
        validate_default=True,  # to notice that it is missing
    )
    insecure: bool = Field(
        default=False,
        description="listen on an address that is not loopback also without a key or without TLS",
    )

    @property
    def has_key(self) -> bool:
        """Whether there is a key, so that each connection needs a token."""
        return bool(self.jwt_secret_file or self.jwt_public_key_file) or self.jwt_secret is not None

    @field_validator("*")
    @classmethod
    def _is_utf_8(cls, value: object) -> object:
        # An argument or a variable that is not has lone surrogates, which cannot be written as JSON.
        try:
            for text in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
                str(text).encode()
        except UnicodeEncodeError:
            raise ValueError("it must be UTF-8") from None
        return cast(object, value)

    @field_validator("tls_key")
    @classmethod
    def _belongs_to_tls_cert(cls, tls_key: str | None, info: ValidationInfo) -> str | None:
        if (tls_key is None) != (info.data.get("tls_cert") is None):
            raise ValueError("--tls-cert and --tls-key must be given together")
        return tls_key
