"""Tests of the proofs that `wedsync verify` makes; the command itself is tested in tests/acceptance."""
