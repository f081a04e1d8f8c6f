"""What runs the rules: log reader, actors, placement, membership, flush, recovery, effects, the host process.

Rules live in actors.domain and storage in store; nothing here knows a field of a wedding.
"""
