"""`docs/protocol.md` is correct: its session can be replayed, and its table is that of the tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.blackbox.client import Client
from tests.blackbox.conftest import Connect
from tests.blackbox.words import TABLE, fresh

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
_STEP = re.compile(r"(?P<user>[cs]-\d+) +(?P<what><|>|GET|hangs up) ?(?P<rest>.*)")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def steps() -> Iterator[tuple[str, str, str]]:
    """The steps of the session, continuation lines joined: user, action, the rest."""
    session = "\n".join(re.findall(r"```text\n(.*?)```", DOCUMENT, re.DOTALL))
    for line in re.sub(r"\n {8}", "", session).splitlines():
        if line:
            step = _STEP.fullmatch(line)
            assert step, f"not a step of a session: {line}"
            yield step["user"], step["what"], step["rest"]


def test_the_documented_session_can_be_replayed(connect: Connect) -> None:
    connected: dict[str, Client] = {}
    welcomes: list[dict[str, Any]] = []  # of the connection that was just opened
    # Ids must be new on this relay; the epoch is known from the first welcome on.
    real = {name: fresh(name) for name in ("c-17", "s-4", "o-81")}
    played = 0

    def translated(text: str) -> str:
        for documented, ours in real.items():
            text = re.sub(rf"\b{documented}\b", ours, text)
        return text

    for user, what, rest in steps():
        if what == "GET":
            since = re.search(r"since=(\d+)&epoch=(\w+)", rest)
            resume: dict[str, Any] = {"since": since[1], "epoch": real[since[2]]} if since else {}
            role = rest.partition("type=")[2].partition("&")[0]
            connected[user] = connect(role, real[user], **resume)
            welcomes.append(connected[user].welcome)
        elif what == "hangs up":
            connected[user].close()
        elif what == ">":
            connected[user].send_text(translated(rest))
        else:
            frame = welcomes.pop() if welcomes else connected[user].receive()
            if (epoch := json.loads(rest).get("epoch")) is not None:
                real.setdefault(epoch, frame["epoch"])
            expected = json.loads(translated(rest))
            if _AT.fullmatch(expected.get("at", "")) and _AT.fullmatch(frame.get("at", "")):
                expected["at"] = frame["at"]
            assert frame == expected
        played += 1
    assert played >= 15


def test_the_documented_table_of_statuses_is_that_of_the_tests() -> None:
    rows = re.findall(r"^\| (\w+) (\d+) \| (\w+) \| ([^|]*) \|$", DOCUMENT, re.MULTILINE)
    documented = {
        name: (int(number), role, frozenset(re.findall(r"\b[A-Z_]+\b", after)))
        for name, number, role, after in rows
    }
    assert documented == {name: tuple(row) for name, row in TABLE.items()}
