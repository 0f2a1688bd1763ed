"""The README is correct: its client runs, and its transcript and tables are those of the code."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import socket_bloc
from server_stub import Settings, serve
from socket_bloc import ORDER_FLOW
from tests.tui.diagram import BOTH_ORDERS
from tests.tui.transcripts import read

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """Return the code block that follows a marker."""
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, name
    return found[1]


async def test_the_client_in_fifteen_lines_runs_unchanged(tmp_path: Path) -> None:
    code = block("client")
    async with serve(Settings(port=0, database=f"sqlite:///{tmp_path}/orders.db")) as relay:
        # Unchanged except for the port, which may be in use here.
        code, replaced = re.subn(r"(ClientType\.[A-Z]+)\)", rf'\1, uri="{relay.uri}")', code)
        assert replaced == 2
        script = tmp_path / "client.py"
        script.write_text(code, encoding="utf-8")
        process = await create_process(script)
        output, _ = await process.communicate()
    assert process.returncode == 0
    states = [line.split("(")[0] for line in output.decode().splitlines()]
    assert states[-2:] == ["SocketDataSentState", "SocketReceiveDataState"]


async def create_process(script: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, script, stdout=subprocess.PIPE, env={**os.environ, "PYTHONWARNINGS": "error"}
    )


def test_the_client_has_fifteen_lines() -> None:
    assert len([line for line in block("client").splitlines() if line]) == 15


def test_the_transcript_is_that_of_both_orders() -> None:
    *lines, last = block("transcript").splitlines()
    assert read("\n".join(lines)) == BOTH_ORDERS
    assert last.startswith("37 arrows")


def test_the_status_table_is_the_flow() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) (\d{4}) \| (\w+) \| (.+) \|$", README, re.MULTILINE)
    flow = [
        (
            step.status.name,
            str(step.status.value),
            str(step.sent_by),
            ", ".join(status.name for status in sorted(step.after)) or "(a new order)",
        )
        for step in ORDER_FLOW.steps
    ]
    assert rows == flow


def test_every_class_named_in_the_readme_is_in_the_package() -> None:
    names = set(re.findall(r"`(Socket\w*|Orders?\w*|ORDER_FLOW|StatusCode)\b", README))
    assert {name for name in names if not hasattr(socket_bloc, name)} == set()


def test_every_file_linked_in_the_readme_exists() -> None:
    links = re.findall(r"\]\(([\w./]+)\)", README)
    assert links
    assert [link for link in links if not (Path(__file__).parents[1] / link).exists()] == []
