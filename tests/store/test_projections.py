"""The tables that people query: filled once, behind the stored changes, and never turned back by an older row (design D7)."""

import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from actors.contract.changes import Change
from actors.contract.decisions import refusal
from store import changes, projections
from store.changes import Row
from store.event_projector import EventProjector
from store.postgres import Database
from store.projections import ConnectionRow, PresenceRow, SessionRow
from tests.store.decisions import CLIENT, START_MS, decision, decisions, part

pytestmark = pytest.mark.servers
NOW = START_MS


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with a checkpoint at 0 for every partition."""
    await changes.checkpoints(database, 1, 8)
    return database


async def table(store: Database, statement: str) -> list[tuple[Any, ...]]:
    async with store.connection() as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def write(store: Database, partition: int, wedding: str, first: int, last: int) -> None:
    stored = (await changes.checkpoints(store, 1, 8))[partition]
    rows = [Row(partition, "w", wedding, decisions(first, last))]
    assert await changes.flush(store, 1, {partition: (stored, stored + last - first + 1)}, rows) == {}


async def test_d7_every_event_is_projected_once(store: Database) -> None:
    """Each part of each applied decision is one row, at whatever step; refusals have none."""
    block = [
        decision(1),
        decision(2, refusal=refusal("not_found"), parts=()),
        decision(3, parts=(part(2), part(1, "timeline.core"))),
    ]
    await changes.flush(store, 1, {1: (0, 3)}, [Row(1, "w", "w1", block)])
    projector = EventProjector()
    assert await projector.step(store, range(8)) == 1
    assert await projector.step(store, range(8)) == 0
    await write(store, 1, "w2", 4, 4)
    assert await projector.step(store, range(8)) == 1
    found = await table(store, "SELECT wedding_id, channel, sequence, op_id FROM collaboration_events ORDER BY 1, 2, 3")
    assert found == [
        ("w1", "timeline.core", 1, f"{CLIENT}:3"),
        ("w1", "timeline.team", 1, f"{CLIENT}:1"),
        ("w1", "timeline.team", 2, f"{CLIENT}:3"),
        ("w2", "timeline.team", 4, f"{CLIENT}:4"),
    ]


async def test_a_projected_event_tells_who_did_what_and_when(store: Database) -> None:
    """A row has the op's author, type, instant and changes."""
    await write(store, 1, "w1", 1, 1)
    await EventProjector().step(store, [1])
    statement = "SELECT type, user_id, (extract(epoch FROM occurred_at) * 1000)::bigint, data::text FROM collaboration_events"
    ((type_, user, instant, data),) = await table(store, statement)
    assert (type_, user, instant) == ("timeline_update", "ann", START_MS + 1000)
    assert msgspec.json.decode(data)["changes"][0]["set"]["title"] == "First look 1"


async def test_d7_a_conflict_is_a_row_that_follows_its_answers(store: Database) -> None:
    """The record as it stands now, whether its changes came in one step or later; one that the wedding let go stays."""
    whole = Change(
        "conflicts", "c-1", insert={"status": "open", "strategy": "manual_review", "priority": "high", "field": "date"}
    )
    rows = [
        (1, whole),
        (2, Change("conflicts", "c-1", set={"status": "resolved", "outcome": "first"})),
        (3, Change("conflicts", "c-1", remove=True)),
    ]
    projector = EventProjector()
    statement = "SELECT wedding_id, conflict_id, channel, status, strategy, priority, record ->> 'outcome' FROM conflicts"
    for rev, change in rows:
        written = decision(rev, parts=(msgspec.structs.replace(part(rev), changes=(change,)),))
        await changes.flush(store, 1, {1: (rev - 1, rev)}, [Row(1, "w", "w1", [written])])
        assert await projector.step(store, range(8)) == 1
    assert await table(store, statement) == [("w1", "c-1", part(1).channel, "resolved", "manual_review", "high", "first")]


async def test_d7_a_block_that_cannot_be_read_gives_no_rows_and_holds_nobody_up(store: Database) -> None:
    """What is damaged is named once; the blocks before and behind it are projected, the same partition's too."""
    for number, wedding in enumerate(("w1", "w2", "w1")):
        await write(store, 1, wedding, number + 1, number + 1)
    async with store.connection() as connection:
        await connection.execute("UPDATE changes SET block = 'rotten' WHERE id = 'w2'")
    projector = EventProjector()
    with capture_logs() as logs:
        assert await projector.step(store, range(8)) == 3
        assert await projector.step(store, range(8)) == 0
    assert await table(store, "SELECT wedding_id, sequence FROM collaboration_events ORDER BY 2") == [("w1", 1), ("w1", 3)]
    named = [(each["partition"], each["id"], each["last_position"]) for each in logs if each["event"] == "block_not_projected"]
    assert named == [(1, "w2", 2)]


async def test_d7_two_projectors_write_each_event_once(store: Database) -> None:
    """Two hosts that project the same partitions at once neither fail nor repeat."""
    for number in range(4):
        await write(store, number, f"w{number}", 1, 20)
    projector = EventProjector()
    await asyncio.gather(*(projector.step(store, range(8)) for _ in range(4)))
    while await projector.step(store, range(8)):
        pass
    assert await table(store, "SELECT count(*) FROM collaboration_events") == [(80,)]


async def test_d7_a_step_passes_over_what_another_host_projects(store: Database) -> None:
    """While another host holds a partition's projection, a step leaves it to that host and waits for nobody."""
    projector = EventProjector()
    await projector.step(store, [3])
    async with store.transaction() as other_host:
        await other_host.execute("SELECT FROM projection_positions WHERE partition = 3 FOR UPDATE")
        await write(store, 3, "w3", 1, 5)
        assert await projector.step(store, [3]) == 0
    assert await projector.step(store, [3]) == 1


async def test_the_projection_goes_on_where_it_was(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """More blocks than one step takes are projected over several, none left out."""
    monkeypatch.setattr("store.event_projector._STEP_BLOCKS", 3)
    for number in range(1, 11):
        await write(store, 1, "w1", number, number)
        await write(store, 2, "w2", number, number)
    projector, steps = EventProjector(), []
    while done := await projector.step(store, range(8)):
        steps.append(done)
    assert sum(steps) == 20
    assert max(steps) == 3
    assert await table(store, "SELECT count(*) FROM collaboration_events") == [(20,)]


def session(name: str, closed: int | None = None, boot: str = "b1") -> SessionRow:
    return SessionRow(name, "w1", "ann", CLIENT, "gateway-1", boot, NOW, closed)


def connection_row(name: str, closed: int | None = None, boot: str = "b1") -> ConnectionRow:
    return ConnectionRow(name, "s1", "w1", "ann", "gateway-1", boot, NOW, closed, None if closed is None else 1000)


def presence(user: str, updated: int, what: dict[str, Any] | None, boot: str = "b1") -> PresenceRow:
    return PresenceRow("w1", user, "gateway-1", boot, what, updated)


async def test_sessions_and_connections_stay_closed(store: Database) -> None:
    """A late repeat of the opening does not open again what was closed, also within one batch."""
    await projections.write_sessions(store, [session("s1"), session("s2")])
    await projections.write_sessions(store, [session("s1", NOW + 5), session("s1")])
    await projections.write_sessions(store, [session("s1")])
    await projections.write_connections(store, [connection_row("c1"), connection_row("c1", NOW + 5)])
    await projections.write_connections(store, [connection_row("c1")])
    assert await table(store, "SELECT session_id FROM collaboration_sessions WHERE closed_at IS NULL") == [("s2",)]
    assert await table(store, "SELECT close_code FROM websocket_connections WHERE closed_at IS NOT NULL") == [(1000,)]
    await projections.write_sessions(store, [])


async def test_d9_an_older_presence_never_replaces_a_newer_one(store: Database) -> None:
    """The latest of a person's presences is the one that is shown, in whatever order they are written (design D9)."""
    await projections.write_presence(store, [presence("ann", NOW + 2, {"at": 2}), presence("ann", NOW + 1, {"at": 1})])
    await projections.write_presence(store, [presence("ann", NOW, {"at": 0}), presence("bob", NOW, None)])
    found = await table(store, "SELECT user_id, presence::text FROM user_presence ORDER BY 1")
    assert found == [("ann", '{"at": 2}'), ("bob", None)]


async def test_a_dead_gateway_boot_is_closed(store: Database) -> None:
    """What a gateway left open when it died is closed; its next boot and other gateways are not touched."""
    await projections.write_sessions(store, [session("s1"), session("s2", boot="b2")])
    await projections.write_connections(store, [connection_row("c1"), connection_row("c2", boot="b2")])
    await projections.write_presence(store, [presence("ann", NOW, {"at": 1}), presence("bob", NOW, {"at": 1}, "b2")])
    await projections.close_boot(store, "gateway-1", "b1")
    assert await table(store, "SELECT session_id FROM collaboration_sessions WHERE closed_at IS NULL") == [("s2",)]
    assert await table(store, "SELECT connection_id FROM websocket_connections WHERE closed_at IS NULL") == [("c2",)]
    assert await table(store, "SELECT user_id FROM user_presence WHERE presence IS NOT NULL") == [("bob",)]
