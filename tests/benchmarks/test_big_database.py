"""The history that is written by SQL is one that the relay itself could have written."""

from pathlib import Path

import pytest

from benchmarks.big_database.fill import History, fill
from benchmarks.big_database.timing import check
from benchmarks.relay_host import DATABASE, OwnRelay

SMALL = History.of(5_000)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    OwnRelay(tmp_path, max_connections=1).stop()
    fill(tmp_path / DATABASE, SMALL, progress=lambda _line: None)
    return tmp_path


def test_the_relay_finds_feeds_open_orders_and_repeated_sends_in_it(directory: Path) -> None:
    relay = OwnRelay(directory, max_connections=10)
    try:
        check(relay.url, SMALL)
    finally:
        assert relay.stop() == SMALL.statuses
