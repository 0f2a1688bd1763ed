"""The plain demo: each line is an observed arrow; an arrow that is not observed is missing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from server_stub.ledger.sqlite.store import SqliteStore
from server_stub.ledger.store import LedgerError
from socket_bloc.socket_bloc import SocketBloc
from tests.tui.diagram import AFTER_THE_BRANCH, BOTH_ORDERS, DIAGRAM
from tests.tui.transcripts import read
from tui.sequence import Party, Sequence, as_mermaid
from tui.transcript import MissingArrowError, play_both_orders, run


def test_the_diagram_has_31_arrows_and_both_orders_37() -> None:
    assert len(DIAGRAM) == 31
    assert len(BOTH_ORDERS) == 37


@pytest.mark.parametrize("argv", [["demo"], ["demo", "--plain"]])
def test_the_command_prints_both_branches_arrow_by_arrow_and_counts_them(argv: list[str]) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tui", *argv], capture_output=True, text=True, timeout=60, check=False
    )
    *lines, last = demo.stdout.splitlines()
    assert read("\n".join(lines)) == BOTH_ORDERS
    assert last.startswith("37 arrows")
    assert demo.stderr == ""
    assert demo.returncode == 0


def test_a_failed_commit_is_missing_from_the_transcript_and_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_store: SqliteStore) -> None:
        raise LedgerError("no disk")

    monkeypatch.setattr(SqliteStore, "commit", refuse)
    assert run(Sequence(), within=0.3) == 1
    output = capsys.readouterr()
    seen = [arrow for arrow in read(output.out) if arrow != BOTH_ORDERS[2]]  # it is sent again and again
    assert seen == BOTH_ORDERS[:2] + AFTER_THE_BRANCH
    assert output.err == "not observed within 0.3 s: K -> D  PLACED 1001  status changed to 1001\n"


def test_a_status_that_does_not_arrive_is_missing_from_the_transcript(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SocketBloc, "_on_receive", lambda _bloc, _event, _emit: None)
    assert run(Sequence(), within=0.3) == 1
    output = capsys.readouterr()
    assert read(output.out) == BOTH_ORDERS[:4] + AFTER_THE_BRANCH
    assert output.err == "not observed within 0.3 s: K -> S  PLACED 1001  receives the order\n"


def test_the_last_line_counts_the_arrows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(sequence: Sequence, *, within: float) -> None:
        sequence.record(Party.CLIENT, Party.KTOR_SERVER)

    monkeypatch.setattr("tui.transcript.play_both_orders", play)
    assert run(Sequence()) == 0
    assert capsys.readouterr().out.endswith("\n1 arrows: one order completed, one cancelled\n")


def test_a_missing_arrow_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(sequence: Sequence, *, within: float) -> None:
        raise MissingArrowError("not observed")

    monkeypatch.setattr("tui.transcript.play_both_orders", play)
    assert run(Sequence()) == 1
    assert capsys.readouterr() == ("", "not observed\n")


async def test_the_mermaid_file_is_the_diagram_of_the_arrows() -> None:
    sequence = Sequence()
    await play_both_orders(sequence)
    lines = as_mermaid(sequence.arrows).splitlines()
    assert lines[0] == "sequenceDiagram"
    drawn = [re.fullmatch(r"    (.) ->> (.) : (.+?)(?: \((.+), (\d+)\))?", text) for text in lines[6:]]
    assert [(m[1], m[2], m[4] and f"{m[4]} {m[5]}", m[3]) for m in drawn if m] == BOTH_ORDERS
