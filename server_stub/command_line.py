"""Reads the settings of a command: from its options, then the environment, then a TOML file.

The relay's command and its settings are in `command` and `settings`, those of the apps in `tui`. Only modules
of command lines import cyclopts, so `serve` runs a relay without it.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import (
    App,
    Argument,
    ArgumentCollection,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
)
from cyclopts.config import Dict, Env

__all__ = ["ConfigFile", "new_app", "run"]

ConfigFile = Annotated[Path | None, Parameter(name="--config", help="read settings from a TOML file")]
"""The parameter of a command that reads a settings file. Its value is unused: the file was read before."""


def new_app(
    name: str,
    help: str,
    *,
    variables: str,
    default_file: Callable[[], Path] | None = None,
    tables: Collection[str] = (),
) -> App:
    """Return an app whose options are also environment variables and keys of a TOML file.

    `variables` is the prefix of the environment variables. The file is the one of `--config`, otherwise the
    one that `default_file` returns, if it exists. With `tables`, each command has a table of its own in it.
    """
    return App(
        name=name,
        help=help,
        help_format="plaintext",
        version=lambda: version("socket-bloc"),
        config=[Env(variables, command=False), _SettingsFile(default_file, tables)],
        default_parameter=Parameter(negative=(), allow_repeating=True, show_default=_default),
    )


def run(app: App, argv: Sequence[str]) -> Any:
    """Run the command that `argv` names, and return its result; 0 after `--help` and `--version`.

    If a setting is invalid, prints its name and the reason in one line on stderr, and returns 2.
    """
    try:
        result = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        sys.stderr.write(" ".join(_describe(error, app).split()) + "\n")
        return 2
    return 0 if result is None else result


class _SettingsFile:
    """A source of settings for cyclopts, used after the command line and the environment."""

    def __init__(self, default: Callable[[], Path] | None, tables: Collection[str]) -> None:
        self._default = default
        self._tables = tables

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        option: Argument | None = arguments.get("--config", None)
        if option is None:
            return
        if option.tokens:
            path = Path(option.tokens[-1].value)
        elif self._default is None or not (path := self._default()).exists():
            return
        settings = _read(path)
        for table in settings if self._tables else ():
            if table not in self._tables:
                known = ", ".join(f"[{name}]" for name in self._tables)
                raise CycloptsError(msg=f"{path}: unknown table {table}; use {known}")
        Dict(settings, source=str(path), use_commands_as_keys=bool(self._tables))(app, commands, arguments)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CycloptsError(msg=f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise CycloptsError(msg=f"{path}: invalid TOML: {error}") from None


def _describe(error: CycloptsError, app: App) -> str:
    """Return what is wrong, after the names of the setting or its place in a file."""
    if error.app is not None and error.app.config:  # a command without a config uses that of its app
        app = error.app
    match error:
        case UnknownOptionError(token=token) if token.source != "cli":
            return f"{token.source}: unknown key {_key(token)}"
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            return f"unexpected argument {first!r}; --help lists the options"
        case MissingArgumentError(argument=Argument() as argument, keyword=None):
            return f"{_name(argument, app)}: missing {argument.parameter.help}"
        case MissingArgumentError(argument=Argument() as argument):
            return f"{_name(argument, app)}: missing value"
        case CycloptsError(argument=Argument() as argument, __cause__=ValueError() as cause):
            argument, reason = _invalid(argument, cause)
            return f"{_name(argument, app)}: {reason}"
        case CoercionError(argument=Argument() as argument, token=token):
            return f"{_name(argument, app, token)}: invalid value; --help describes it"
        case _:
            return str(error)


def _invalid(argument: Argument, cause: ValueError) -> tuple[Argument, str]:
    """Return the argument whose value is invalid, and the reason."""
    from pydantic import ValidationError  # takes 70 ms, and most commands end without an error

    if not isinstance(cause, ValidationError):
        return argument, str(cause)
    first = cause.errors(include_url=False, include_input=False, include_context=False)[0]
    field = next(child for child in argument.children if child.keys == first["loc"][:1])
    return field, first["msg"].removeprefix("Value error, ")


def _name(argument: Argument, app: App, token: Token | None = None) -> str:
    """Return the option and the variable of an argument, or the place in a file that its value comes from."""
    token = token or next(reversed(argument.tokens), None)
    if token is not None and token.source not in ("cli", "env"):
        return f"{token.source}: {_key(token)}"
    prefix = next(source.prefix for source in app.config or () if isinstance(source, Env))
    return f"{argument.name} ({prefix}{argument.name.lstrip('-').replace('-', '_').upper()})"


def _key(token: Token) -> str:
    """Return the key of a file's token; cyclopts writes `[table][key]`."""
    assert token.keyword is not None
    return token.keyword[1:-1].replace("][", ".")


def _default(value: object) -> str | None:
    """Return a default as `--help` shows it."""
    return None if value in (None, False, ()) else str(value)
