"""`python -m server_stub`: the relay as a process."""

from __future__ import annotations

import sys

from server_stub.process import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
