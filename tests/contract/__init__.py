"""Tests of ids, ops, changes, envelopes, digests and the codec."""
