"""Applying the numbered SQL files of `store/migrations`, each once, in order, under an advisory lock."""

from store.postgres import Database


async def migrate(database: Database) -> list[str]:
    """Apply what is missing and return its names; raises StoreError."""
    raise NotImplementedError
