"""Every setting of the relay, once: its name, its default, what it means, and what it may be.

An option of the command line, an environment variable and a field of `Settings` are the same setting:
`--rate-limit`, `RELAY_RATE_LIMIT` and `rate_limit`. The command line wins.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from server_stub.ledger.backends import check_url

__all__ = ["Settings", "SettingsError", "read_settings"]


class SettingsError(ValueError):
    """A setting that cannot be; one line names it."""


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _database(value: str) -> str:
    check_url(value)
    return value


class Settings(BaseModel):
    """The settings of one relay. Raises `pydantic.ValidationError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="address to listen on; one that is not loopback needs --insecure"
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8765, description="port to listen on; 0 takes one that is free"
    )
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite:///orders.db",
        description="where the orders are: sqlite:///FILE, sqlite:////ABSOLUTE/FILE",
    )
    rate_limit: Annotated[float, Field(ge=0)] = Field(
        default=100, description="frames a second that one connection may send; 0 is no limit"
    )
    rate_burst: Annotated[int, Field(ge=0)] = Field(
        default=200, description="frames that one connection may send at once; 0 is no limit"
    )
    max_connections: Annotated[int, Field(ge=0)] = Field(
        default=10_000, description="connections at the same time; 0 is no limit but that of the system"
    )
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=(), description="origins of web pages that may connect, separated by commas"
    )
    insecure: bool = Field(
        default=False,
        description="listen on an address that is not loopback, though anybody can be anyone there",
    )


def read_settings(
    argv: Sequence[str], environ: Mapping[str, str], *, prog: str = "python -m server_stub"
) -> Settings:
    """The settings that the command line and the environment give. Raises `SettingsError`.

    `--help` prints and exits, as `argparse` does.
    """
    parser = _parser(prog)
    given: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = environ.get(_variable(name))
        if value is not None:
            given[name] = value
    given |= vars(parser.parse_args(argv))
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{_option(name)} ({_variable(name)}): {first['msg']}") from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; --help lists the options")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description="The relay: commits order statuses, and passes them to both sides of their order.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for name, field in Settings.model_fields.items():
        default = "" if field.default in ((), False) else f"; default {field.default}"
        text = f"{field.description} [{_variable(name)}{default}]".replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(_option(name), action="store_true", help=text)
        else:
            parser.add_argument(_option(name), metavar=name.rpartition("_")[2].upper(), help=text)
    return parser


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _variable(name: str) -> str:
    return f"RELAY_{name.upper()}"
