"""Supervision: the embedded servers and the processes of one `wedsync up`.

Here live the data folder (keys, ports, lock, runtime state), the embedded nats-server and PostgreSQL, and the
supervisor that starts, watches, restarts and drains every process. No wedding logic and no client of either server:
only `config.cli` and the tests call this package.
"""
