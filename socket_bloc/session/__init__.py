"""The sans-I/O core of the client: what a user's connection must do next, decided without doing it.

`session` holds the decisions, after the table in `state`; `effects` what it wants done and announced;
`delivery`, `cursor` and `disconnect` answer one question each. Nothing here does I/O, reads a clock or
uses randomness: `socket_bloc.socket` does, and hands in the results.
"""
