"""What violates the protocol: reported, once for each problem, and without the content of a frame."""

from __future__ import annotations

import json

import pytest

from socket_bloc.session.effects import Report
from tests.socket_bloc.driver import (
    Build,
    linked,
    live,
    rejected,
    welcome,
)


@linked
def test_each_problem_is_reported_once(build: Build) -> None:
    driver = build()
    assert driver.receive('{"type":"rumour"}') == ["report"]
    assert driver.receive('{"type":"gossip"}') == ["report"]
    assert driver.receive('{"type":"rumour"}') == []
    driver.lose()
    driver.reconnect(welcome())
    assert driver.receive('{"type":"gossip"}') == []


def test_no_more_than_100_problems_are_reported() -> None:
    driver = live()
    reports = [driver.receive(json.dumps({"type": f"rumour {number}"})) for number in range(150)]
    assert reports == [["report"]] * 100 + [[]] * 50


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "a frame of type None cannot be read: it is no JSON"),
        ('{"type":"rumour"}', "a frame of type 'rumour' cannot be read: its type is unknown"),
        ('{"type":"status"}', "a frame of type 'status' cannot be read: seq: Field required"),
        (welcome(), "a frame of type 'welcome' is out of place"),
    ],
)
def test_a_report_says_what_is_wrong(text: str, problem: str) -> None:
    driver = live()
    driver.receive(text)
    assert driver.effects == [Report(problem)]


@pytest.mark.parametrize(
    ("message_id", "problem"),
    [(None, "the relay rejects what it does not name"), ("m-9", "the relay rejects what was not sent")],
)
def test_a_report_of_a_rejection_that_fits_nothing_has_its_code(message_id: str | None, problem: str) -> None:
    driver = live()
    driver.receive(rejected(message_id, "wrongRole"))
    (effect,) = driver.effects
    assert isinstance(effect, Report)
    assert effect.problem.startswith(problem)
    assert "wrongRole" in effect.problem


@pytest.mark.parametrize("message_id", [None, "m-9"])
def test_a_report_of_an_unknown_code_is_one_short_line(message_id: str | None) -> None:
    driver = live()
    driver.receive(rejected(message_id, "a code\n" * 1000))
    (effect,) = driver.effects
    assert isinstance(effect, Report)
    assert len(effect.problem) < 200
    assert effect.problem.isprintable()
