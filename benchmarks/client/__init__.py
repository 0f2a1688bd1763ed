"""What does a client take for a status? `python -m benchmarks.client`, `make bench-client`.

`feed` is the statuses that all clients receive, in the protocol of each, `server` a server that sends them,
`clients/` the programs that receive them, one process each, and `__main__` plays the rounds.
"""
