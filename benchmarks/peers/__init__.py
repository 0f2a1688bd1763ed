"""The relay beside the servers that one would take instead: `python -m benchmarks.peers`, `make bench-peers`.

`catalog` says what is compared, `install` gets it, `host` plays one round, `figures` checks it and sums up
all of them. `servers/` and `node/` hold the peers, `load/` the load generator, which is in C: it takes a
quarter less CPU than `benchmarks.relay_load`, and speaks Socket.IO as well.
"""
