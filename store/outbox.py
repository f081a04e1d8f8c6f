"""Messages bound for a log that leave after the changes they belong to were stored (design D6)."""

from collections.abc import Sequence
from typing import NamedTuple

from store.postgres import Database


class OutboxRow(NamedTuple):
    """One message; its id is derived from the op and makes a repeat harmless."""

    partition: int
    id: str
    subject: str
    payload: bytes


async def pending(database: Database, partitions: Sequence[int]) -> list[OutboxRow]:
    """What has not been struck off, in the order in which it was written."""
    raise NotImplementedError


async def strike(database: Database, ids: Sequence[str]) -> None:
    """Forget messages that the log has acknowledged."""
    raise NotImplementedError
