"""Ops that processes were deciding when they died, and those among them that are decided no more (design D1).

A death counts once per life of a host. An op above the checkpoint on which two lives ended is condemned: noted here under the
lock of the checkpoint, then said in the log by the host. Called by hosts before they take partitions, and by `verify`.
"""

from collections.abc import Sequence
from typing import Final

from store.postgres import Database

#: How many processes an op may kill.
DEATHS: Final = 2

# What was decided is no suspect, and what a lost log was to skip stands for another op in the one that replaced it.
_FORGET = """
WITH locked AS (
  SELECT partition, position FROM checkpoints WHERE partition = ANY($2::int[]) AND generation = $1 ORDER BY partition FOR UPDATE
), decided AS (
  DELETE FROM suspects s USING locked WHERE s.partition = locked.partition AND s.position <= locked.position
)
DELETE FROM skipped_ops k USING locked
WHERE k.partition = locked.partition AND k.position > locked.position AND k.generation < $1"""
_CONDEMN = """
WITH own AS (
  SELECT partition, position FROM checkpoints WHERE partition = ANY($2::int[]) AND generation = $1
), condemned AS (
  INSERT INTO skipped_ops (partition, position, generation)
  SELECT s.partition, s.position, $1 FROM suspects s JOIN own USING (partition)
  WHERE s.generation = $1 AND s.position > own.position
  GROUP BY s.partition, s.position HAVING count(*) >= $3
  ON CONFLICT (partition, position) DO NOTHING
  RETURNING partition, position
), skipped AS (
  SELECT partition, position FROM condemned
  UNION
  SELECT k.partition, k.position FROM skipped_ops k JOIN own USING (partition) WHERE k.position > own.position
), highest AS (
  SELECT own.partition, COALESCE(max(skipped.position), 0) AS position FROM own LEFT JOIN skipped USING (partition) GROUP BY 1
), fenced AS (
  UPDATE checkpoints c SET skipped = highest.position FROM highest
  WHERE c.partition = highest.partition AND c.skipped <> highest.position
)
SELECT partition, position FROM skipped ORDER BY 1, 2"""


async def note(database: Database, deaths: Sequence[tuple[int, int, int, str]]) -> None:
    """Count deaths (generation, partition, position, life); a life that was counted at this op counts no more."""
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO suspects (generation, partition, position, life) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (partition, position, life) DO NOTHING",
            list(deaths),
        )


async def condemn(database: Database, generation: int, partitions: Sequence[int]) -> list[tuple[int, int]]:
    """The (partition, position) of every op above its checkpoint that is not to be decided, new ones included.

    Forgets suspects that have been decided. What is returned counts only when the log says so too; from now on no flush passes it
    but that of a host which skips it (store.changes).
    """
    async with database.transaction() as connection:
        await connection.execute(_FORGET, generation, list(partitions))
        rows = await connection.fetch(_CONDEMN, generation, list(partitions), DEATHS)
    return [(row["partition"], row["position"]) for row in rows]


async def skipped(database: Database, partition: int) -> list[int]:
    """The positions of a partition that were ever condemned."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT position FROM skipped_ops WHERE partition = $1 ORDER BY 1", partition)
    return [row["position"] for row in rows]
