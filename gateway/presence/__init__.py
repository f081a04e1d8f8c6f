"""Presence: who is in a wedding right now and where, told from gateway to gateway and never stored in the log (design D9).

`hub` is what sessions, HTTP and intake call; the other modules are its parts: `people` and `masking` are pure.
"""
