"""The proofs of `wedsync verify`: stored state, log, a fresh client, and the copies in use, against what the actor says.

`folding` and `replay` are pure; `reading` asks Postgres, the log and the gateway. Called by `wedsync verify` alone.
"""
