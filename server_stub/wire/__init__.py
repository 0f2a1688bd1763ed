"""Bytes on a socket: listening, HTTP answers, the WebSocket protocol, every deadline of a connection.

Knows no user and no order: it imports `socket_bloc.frames` for the limits and close codes, and nothing of
the relay outside this package.
"""
