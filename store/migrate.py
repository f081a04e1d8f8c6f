"""Applying the numbered SQL files of `store/migrations`, each once, in order, under an advisory lock.

Called once by `wedsync up` before hosts and gateways start, and by the tests. A file that was applied is never edited: its
digest is kept and compared.
"""

import hashlib
from importlib.resources import files
from typing import Final

from store.day_partitions import keep_ahead
from store.errors import MigrationChanged
from store.postgres import Database

#: Any constant of ours: whoever migrates holds it, others wait.
_LOCK: Final = 0x7EDD14C
#: Who changes a table waits for all who use it, a backup for as long as it takes, and everybody else stands behind: so it is
#: given up, and tried again by whoever starts.
_TABLE_WITHIN: Final = "SET LOCAL lock_timeout = '1s'"

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  name text PRIMARY KEY,
  digest text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)"""


async def migrate(database: Database) -> list[str]:
    """Apply what is missing and return its names; raises MigrationChanged, StoreError (StoreUnavailable beside a backup)."""
    applied = []
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_TABLE_WITHIN)
        await connection.execute(_LEDGER)
        known = {row["name"]: row["digest"] for row in await connection.fetch("SELECT name, digest FROM schema_migrations")}
        for name, statements in _migrations():
            digest = hashlib.sha256(statements.encode()).hexdigest()
            if name not in known:
                await connection.execute(statements)
                await connection.execute("INSERT INTO schema_migrations (name, digest) VALUES ($1, $2)", name, digest)
                applied.append(name)
            elif known[name] != digest:
                raise MigrationChanged(f"{name} was edited after it had been applied; put it back and add a new file instead.")
    await keep_ahead(database)
    return applied


def _migrations() -> list[tuple[str, str]]:
    folder = files("store") / "migrations"
    found = [(each.name, each.read_text(encoding="utf-8")) for each in folder.iterdir() if each.name.endswith(".sql")]
    return sorted(found)
