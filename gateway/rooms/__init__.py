"""The weddings that are open at this gateway: envelopes in order and without holes, checkpoints, permissions, fan-out, agreement.

Caches, never truth: what is missing is asked of the owner. Writes to sockets, knows no session.
"""
