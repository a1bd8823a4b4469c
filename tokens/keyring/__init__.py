"""The ring of signing keys in the database: how a process follows it, and the acts upon it.

A key is upcoming, then signs, then only verifies, and is then retired. Keys that are not retired
verify, and their public halves are in the key set.
"""
