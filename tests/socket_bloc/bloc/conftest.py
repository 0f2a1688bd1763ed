"""Restores `Bloc.observer` and `Bloc.transformer` after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socket_bloc.bloc import Bloc
from tests.socket_bloc.bloc.blocs import Recorder


@pytest.fixture(autouse=True)
def what_belongs_to_the_class_is_restored() -> Iterator[None]:
    """Allow a test to set the observer and the transformer of all blocs."""
    observer, transformer = Bloc.observer, Bloc.transformer
    yield
    Bloc.observer, Bloc.transformer = observer, transformer


@pytest.fixture
def recorder() -> Recorder:
    """The observer of the blocs that this test creates."""
    Bloc.observer = Recorder()
    return Bloc.observer
