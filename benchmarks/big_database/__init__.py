"""Does the relay slow down as its database grows? `python -m benchmarks.big_database`.

`fill` makes a database with millions of statuses, `timing` checks that the relay can use it and times single
requests, `stalls` is a process that looks for stalls, and `__main__` compares with an empty database.
"""
