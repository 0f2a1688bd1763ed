"""The ledger in one SQLite file: the store, the file and its lock, the statements, and what is in memory.

May import `ledger.store` and `records`; no other database, and not the rules.
"""
