"""What PostgreSQL knows of a re-seeding while it runs, so that one that was interrupted goes on (design D12).

The steps themselves are in store.reseed; store.streams refuses a log whose re-seeding is not finished.
"""

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec

from store.errors import ReseedRuns
from store.postgres import Database

Runs = list[tuple[int, int]]
#: In seconds, which fit the column until 2088.
_RAISE: Final = """
UPDATE log_identity
SET generation = greatest(generation + 1, extract(epoch FROM now() - timestamptz '2020-01-01 00:00+00')::integer)
RETURNING generation"""


class Plan(NamedTuple):
    """One re-seeding; `saved` once everything that is carried over lies in PostgreSQL."""

    number: int
    old_stream_id: str
    new_stream_id: str
    generation: int
    saved: bool


class NewStream(NamedTuple):
    """How one stream begins anew: at which position, with how many carried ops, and which positions were lost."""

    stream: int
    first_position: int
    carried: int
    lost: Runs


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[None]:
    """Keep every other re-seeding out; raises ReseedRuns."""
    async with database.connection() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('wedsync reseed'))"):
            raise ReseedRuns
        yield  # the pool gives the lock back with the connection


async def unfinished(database: Database) -> Plan | None:
    """The re-seeding that was begun and not finished."""
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT number, old_stream_id, new_stream_id, generation, saved FROM reseeds WHERE finished_at IS NULL"
        )
    return None if row is None else Plan(**row)


async def raise_generation(connection: Any) -> int:
    """Give the log a generation that no incarnation has had: a backup does not know of those after it, but the clock does."""
    generation: int = await connection.fetchval(_RAISE)
    await connection.execute("UPDATE checkpoints SET generation = $1", generation)
    return generation


async def begin(database: Database, generation: int) -> Plan:
    """Give the log another id and a new generation: from here on no host can store anything. Guarded by the old one."""
    async with database.transaction() as connection:
        identity = await connection.fetchrow(
            "SELECT stream_id, generation FROM log_identity WHERE generation = $1 FOR UPDATE", generation
        )
        if identity is None:
            raise ReseedRuns
        new_stream_id = secrets.token_hex(16)
        await connection.execute("UPDATE log_identity SET stream_id = $1", new_stream_id)
        new_generation = await raise_generation(connection)
        number: int = await connection.fetchval(
            "INSERT INTO reseeds (old_stream_id, new_stream_id, generation) VALUES ($1, $2, $3) RETURNING number",
            identity["stream_id"],
            new_stream_id,
            new_generation,
        )
        await connection.execute(
            "INSERT INTO alarms (name, source, message) VALUES ('reseed_unfinished', 'reseed', 'Run `wedsync reseed` again.')"
        )
    return Plan(number, identity["stream_id"], new_stream_id, new_generation, saved=False)


async def keep(database: Database, plan: Plan, stream: int, messages: Sequence[tuple[int, str, bytes]]) -> None:
    """Keep messages (position, subject, payload) that are carried over; a repeat changes nothing."""
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO reseed_carried VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            [(plan.number, stream, *message) for message in messages],
        )


async def saved(database: Database, plan: Plan, firsts: Mapping[int, int], lost: Mapping[int, Runs]) -> None:
    """Note that all is kept, and where each stream begins."""
    async with database.transaction() as connection:
        await connection.executemany(
            "INSERT INTO reseed_streams SELECT $1, $2, $3, "
            "(SELECT count(*) FROM reseed_carried WHERE reseed = $1 AND stream = $2), $4::jsonb",
            [(plan.number, stream, first, msgspec.json.encode(lost[stream]).decode()) for stream, first in firsts.items()],
        )
        await connection.execute("UPDATE reseeds SET saved = true WHERE number = $1", plan.number)


async def new_streams(database: Database, plan: Plan) -> list[NewStream]:
    """How each stream begins, once all is kept."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT stream, first_position, carried, lost FROM reseed_streams WHERE reseed = $1 ORDER BY stream", plan.number
        )
    return [NewStream(**{**row, "lost": msgspec.json.decode(row["lost"], type=Runs)}) for row in rows]


async def carried(database: Database, plan: Plan, stream: int, skip: int, limit: int) -> list[tuple[str, bytes]]:
    """The next carried messages (subject, payload) behind the first `skip`, in the order of the old log."""
    async with database.connection() as connection:
        rows: Iterable[Mapping[str, object]] = await connection.fetch(
            "SELECT subject, payload FROM reseed_carried WHERE reseed = $1 AND stream = $2 ORDER BY position OFFSET $3 LIMIT $4",
            *(plan.number, stream, skip, limit),
        )
    return [(str(row["subject"]), bytes(row["payload"])) for row in rows]  # type: ignore[call-overload]  # a bytea column


async def finish(database: Database, plan: Plan, streams: int) -> None:
    """Move every checkpoint to just below its new stream, and end: hosts may start."""
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE checkpoints c SET position = s.first_position - 1, moved_at = now() FROM reseed_streams s "
            "WHERE s.reseed = $1 AND c.partition % $2 = s.stream AND c.generation = $3",
            *(plan.number, streams, plan.generation),
        )
        await connection.execute("UPDATE reseeds SET finished_at = now() WHERE number = $1", plan.number)
        await connection.execute("DELETE FROM reseed_carried WHERE reseed = $1", plan.number)
        await connection.execute("DELETE FROM alarms")
