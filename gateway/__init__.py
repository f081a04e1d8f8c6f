"""The edge: HTTP, WebSocket sessions, fan-out, presence, permissions, group commit and the integrators' intake.

Gateways hold sockets and caches, never truth; they know the contract and the store, never the rules or the runtime.
"""
