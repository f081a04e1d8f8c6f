"""The rules of a wedding as pure functions: decide, evolve, and one module per section.

No clock, no randomness, no input or output, no logging: the same log gives the same decisions on any machine.
Called by actors.runtime; never imported by the gateway.
"""
