"""Everything that touches NATS and PostgreSQL: connections, streams, log access, changes, snapshots, projections.

The exceptions of nats and asyncpg stop here. Called by actors.runtime and gateway.
"""
