"""The shared vocabulary: ids, ops, changes, decisions, events, envelopes, frames, subjects, and the algorithms of both ends.

Imports the standard library, msgspec and rfc8785 only; no IO, no clock, no randomness. Everybody may import it, it imports
nobody.
"""
