"""The HTTP API of a gateway: `routes.register` is what the application calls; `Api` says what the routes stand on.

JSON in, JSON out; every error is an RFC 9457 problem. Who asks is judged in `callers`; docs/protocol.md shows the wire.
"""
