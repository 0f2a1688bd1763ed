"""What is committed: the rules of a batch, the group commit, and the databases that hold the result.

May import `records` and the library's vocabulary and rules; knows no connection. Only `backends` knows
which databases there are.
"""
