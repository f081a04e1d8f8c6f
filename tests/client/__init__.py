"""The Python client: its bookkeeping alone, against a scripted server, and against the real gateway."""
