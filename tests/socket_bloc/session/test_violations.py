"""Violations of the protocol: reported, each problem once, without the content of a frame."""

from __future__ import annotations

import json

import pytest

from socket_bloc.session.effects import ProtocolViolation
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
    assert driver.receive('{"type":"news"}') == ["violation"]
    assert driver.receive('{"type":"gossip"}') == ["violation"]
    assert driver.receive('{"type":"news"}') == []
    driver.lose()
    driver.reconnect(welcome())
    assert driver.receive('{"type":"gossip"}') == []


def test_no_more_than_100_problems_are_reported() -> None:
    driver = live()
    reports = [driver.receive(json.dumps({"type": f"news {number}"})) for number in range(150)]
    assert reports == [["violation"]] * 100 + [[]] * 50


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "invalid frame of type None: invalid JSON"),
        ('{"type":"news"}', "invalid frame of type 'news': unknown type"),
        ('{"type":"status"}', "invalid frame of type 'status': seq: Field required"),
        (welcome(), "unexpected frame of type 'welcome'"),
    ],
)
def test_a_violation_says_what_is_wrong(text: str, problem: str) -> None:
    driver = live()
    driver.receive(text)
    assert driver.effects == [ProtocolViolation(problem)]


@pytest.mark.parametrize(
    ("message_id", "problem"),
    [(None, "rejection without a messageId"), ("m-9", "rejection of an unknown messageId")],
)
def test_a_rejection_of_nothing_that_was_sent_is_reported_with_its_code(
    message_id: str | None, problem: str
) -> None:
    driver = live()
    driver.receive(rejected(message_id, "wrongRole"))
    (effect,) = driver.effects
    assert isinstance(effect, ProtocolViolation)
    assert effect.problem.startswith(problem)
    assert "wrongRole" in effect.problem


@pytest.mark.parametrize("message_id", [None, "m-9"])
def test_a_violation_with_a_long_code_is_one_short_line(message_id: str | None) -> None:
    driver = live()
    driver.receive(rejected(message_id, "a code\n" * 1000))
    (effect,) = driver.effects
    assert isinstance(effect, ProtocolViolation)
    assert len(effect.problem) < 200
    assert effect.problem.isprintable()
