"""Which version of the rules is in force where, as it is stored with the checkpoints (design D1).

Flushes write new markers in their own transaction (store.changes); hosts, `verify` and `wedsync rules` read them.
Nothing here knows what a version means.
"""

from collections.abc import Sequence
from typing import NamedTuple

from store.postgres import Database

#: (position, version): the ops above the position are decided with that version.
Marker = tuple[int, int]


class MarkerRow(NamedTuple):
    """One marker of the log that a flush has passed."""

    partition: int
    position: int
    version: int


async def markers(database: Database, partitions: Sequence[int]) -> dict[int, list[Marker]]:
    """The stored markers of each partition, ascending; none for a partition that nobody has taken yet."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT partition, position, version FROM rules_markers WHERE partition = ANY($1::int[]) ORDER BY 1, 2",
            list(partitions),
        )
    found: dict[int, list[Marker]] = {partition: [] for partition in partitions}
    for row in rows:
        found[row["partition"]].append((row["position"], row["version"]))
    return found


async def begin_with(database: Database, partitions: Sequence[int], version: int) -> None:
    """Let partitions that have no version begin with this one; the first host to say so decides."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO rules_markers (partition, position, version) SELECT p, 0, $2 FROM unnest($1::int[]) AS p "
            "ON CONFLICT (partition, position) DO NOTHING",
            list(partitions),
            version,
        )
