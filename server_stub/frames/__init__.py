"""The relay's side of the frames: from a client's text to a send, and from records to bytes.

May import `records` and the library's frames and vocabulary; no I/O, no state.
"""
