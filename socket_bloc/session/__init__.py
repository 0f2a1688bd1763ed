"""The sans-I/O core of the client: what a user's connection must do next, decided without doing it.

`session` makes the decisions, by the table in `state`; `effects` is what it wants done and announced;
`sends` makes effects of what `delivery` decides; `cursor`, `violations`, `retry`, `addresses` and
`disconnect` each answer one question. Nothing here does I/O, reads a clock or uses randomness:
`socket_bloc.socket` does, and passes in the results.
"""
