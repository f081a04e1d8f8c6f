"""The three proofs of `wedsync verify`: stored state, log, and a fresh client, each against what the wedding's actor says.

`folding` and `replay` are pure; `reading` asks Postgres, the log and the gateway. Called by `wedsync verify` alone.
"""
