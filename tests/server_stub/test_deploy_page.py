"""What docs/deploy.md and SECURITY.md say of the relay, compared with the relay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server_stub.exposition import render
from server_stub.metrics import Metrics
from server_stub.server import CLOSE_TIMEOUT, DRAIN_TIMEOUT
from server_stub.settings import Settings
from server_stub.wire.connection import PING_INTERVAL, PONG_TIMEOUT

ROOT = Path(__file__).parents[2]
DEPLOY, SECURITY = (ROOT / page for page in ("docs/deploy.md", "SECURITY.md"))
SETTINGS = {*Settings.model_fields, "config"}
OF_OTHERS = {"force", "help", "token_file", "ca_file"}


def numbers(pattern: str, page: Path) -> list[float]:
    """The number in each match of a pattern."""
    return [float(number) for number in re.findall(pattern, page.read_text())]


@pytest.mark.parametrize("page", [DEPLOY, SECURITY], ids=lambda page: page.stem)
def test_each_setting_of_a_page_is_one_of_the_relay(page: Path) -> None:
    text = page.read_text()
    variables = {name.lower() for name in re.findall(r"RELAY_([A-Z_]+)", text)}
    options = {name.replace("-", "_") for name in re.findall(r"(?:`|relay |%d/\S+ )--([a-z-]+)", text)}
    assert variables
    assert variables | options - OF_OTHERS <= SETTINGS


def test_each_metric_of_the_alert_rules_is_exposed() -> None:
    metrics = Metrics()
    metrics.batch_ended(1, 0.001, failed=True)
    exposed = set(re.findall(r"^(\w+)", render(metrics), re.MULTILINE))
    (rules,) = re.findall(r"^```yaml\n(groups:.*?)^```", DEPLOY.read_text(), re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\b(?:relay|process)_\w+", rules))
    assert len(named) >= 4
    assert named <= exposed


@pytest.mark.parametrize("setting", ["proxy_read_timeout", "proxy_send_timeout", "timeout tunnel"])
def test_a_proxy_keeps_an_idle_connection_for_longer_than_the_relay_does(setting: str) -> None:
    (seconds,) = numbers(rf"\n +{setting} (\d+)s", DEPLOY)
    assert seconds > PING_INTERVAL + PONG_TIMEOUT


def test_systemd_waits_until_the_relay_has_shut_down() -> None:
    (seconds,) = numbers(r"\nTimeoutStopSec=(\d+)\n", DEPLOY)
    assert seconds > DRAIN_TIMEOUT + CLOSE_TIMEOUT
