"""What is committed: the rules of a batch, the group commit, and the databases that hold the result.

May import `records`, `observer` and the library's vocabulary and rules; knows no connection. Only what
opens a database (`server`) imports a particular one.
"""
