"""Gets the peers and the load generator into `.peers/`, which git ignores and `make clean` removes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

__all__ = ["LOAD", "NODE_MODULES", "PEERS_PYTHON", "install_load", "install_node", "install_python"]

_HERE: Final = Path(__file__).parent
_PEERS: Final = _HERE.parent.parent / ".peers"
PEERS_PYTHON: Final = _PEERS / "venv" / "bin" / "python"
NODE_MODULES: Final = _PEERS / "node" / "node_modules"
LOAD: Final = _PEERS / "load"


def install_python() -> None:
    """Install the Python peers, servers and clients."""
    requirements = _HERE / "requirements.txt"

    def install() -> None:
        _run([sys.executable, "-m", "venv", "--clear", str(PEERS_PYTHON.parent.parent)])
        pip = (str(PEERS_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run([*pip, "--requirement", str(requirements)])

    _once("python", [requirements], install)


def install_node() -> None:
    """Install the Node peers. Without a prebuilt better-sqlite3, npm compiles it, which takes a minute."""
    manifest = _HERE / "node" / "package.json"
    _require("node", "npm")

    def install() -> None:
        NODE_MODULES.parent.mkdir(exist_ok=True)
        shutil.copy(manifest, NODE_MODULES.parent)
        npm = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        _run([*npm, "--prefix", str(NODE_MODULES.parent)])

    _once("node", [manifest], install)


def install_load() -> None:
    """Compile the load generator."""
    sources = sorted((_HERE / "load").glob("*.[ch]"))
    compiler = os.environ.get("CC", "cc")
    _require(compiler)
    units = [str(source) for source in sources if source.suffix == ".c"]
    _once("load", sources, lambda: _run([compiler, "-O2", "-o", str(LOAD), *units]))


def _require(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}; the comparison needs node 20 or newer, npm and cc")


def _once(name: str, sources: Sequence[Path], install: Callable[[], None]) -> None:
    """Install unless it was done before from the same sources."""
    _PEERS.mkdir(exist_ok=True)
    stamp = _PEERS / f"{name}.installed"
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    sys.stderr.write(f"installing {name} into {_PEERS} ...\n")
    install()
    stamp.write_text(digest)


def _run(command: Sequence[str]) -> None:
    if subprocess.run(command).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
