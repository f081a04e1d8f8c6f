"""One open WebSocket in bytes: frames, two formats, the check of masks, close codes, and the socket that everybody writes to.

Knows nothing of rooms and sessions.
"""
