"""Who may open a WebSocket: the handshake table of docs/protocol.md.

May import `wire`, `records` and the library's vocabulary; knows no session and no ledger.
"""
