"""The tables about connections: rows come, close, and are closed for the dead; presence is written seldom (design D9)."""

from typing import Any

import asyncpg
import pytest

from config.settings import Settings
from gateway.presence.people import Source
from gateway.projections import Projections
from store.postgres import Database
from store.projections import ConnectionRow, PresenceRow, write_connections, write_presence
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.http_api import HttpApi
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


class Tables:
    """Looks into the tables as a person with psql does."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def rows(self, query: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self._url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def row(self, query: str) -> dict[str, Any] | None:
        rows = await self.rows(query)
        return rows[0] if rows else None


async def test_a_socket_leaves_its_rows(stack: RunningGateway, found: FoundWedding, database_url: str) -> None:
    """A session and a connection are open while the socket is, and closed with its code afterwards."""
    await found("w1")
    tables = Tables(database_url)
    talker = await stack.join("w1", "tom")
    opened = await eventually(lambda: tables.row("SELECT * FROM websocket_connections"), "the row is there")
    assert (opened["wedding_id"], opened["user_id"], opened["gateway"], opened["closed_at"]) == ("w1", "tom", "gateway-1", None)
    session = await eventually(lambda: tables.row("SELECT * FROM collaboration_sessions"), "the session, too")
    assert (session["session_id"], session["client_id"]) == (talker.welcome["session"], talker.client)
    await talker.close()
    closed = await eventually(
        lambda: tables.row("SELECT * FROM websocket_connections WHERE closed_at IS NOT NULL"), "the row is closed"
    )
    assert closed["close_code"] in (None, 1000)
    await eventually(lambda: tables.row("SELECT * FROM collaboration_sessions WHERE closed_at IS NOT NULL"), "so is the session")
    await eventually(
        lambda: tables.row("SELECT * FROM user_presence WHERE user_id = 'tom'"), "presence was written", within_seconds=15
    )


async def test_d9_a_persons_presence_is_written_seldom(database_url: str) -> None:
    """The first presence goes at once, what follows within the interval waits; at the end the last one stands."""
    database = await Database.open(database_url)
    shown: dict[str, dict[str, Any]] = {"ana": {"section": "timeline"}, "tom": {"section": "tasks"}}
    settings = Settings(presence_store_interval_seconds=3600)
    projections = Projections(database, settings, "boot", lambda _, user: shown.get(user))
    tables = Tables(database_url)
    await projections.start()
    projections.presence_changed("w1", "ana")
    await eventually(lambda: tables.row("SELECT * FROM user_presence"), "the first is written")
    for section in ("guests", "budget"):
        shown["ana"] = {"section": section}
        projections.presence_changed("w1", "ana")
    projections.presence_changed("w1", "tom")
    await eventually(lambda: tables.row("SELECT * FROM user_presence WHERE user_id = 'tom'"), "somebody else's is written")
    known = await tables.row("SELECT presence::text AS presence FROM user_presence WHERE user_id = 'ana'")
    assert known == {"presence": '{"section": "timeline"}'}
    await projections.stop()
    known = await tables.row("SELECT presence::text AS presence FROM user_presence WHERE user_id = 'ana'")
    assert known == {"presence": '{"section": "budget"}'}
    await database.close()


async def test_inv7_a_row_that_the_table_refuses_keeps_nobody_elses_waiting(database_url: str) -> None:
    """PostgreSQL takes no NUL in a JSON text: whoever shows one is left out, the others of the batch are written."""
    database = await Database.open(database_url)
    shown: dict[str, dict[str, Any]] = {"ana": {}, "bad": {"page": "\0"}, "tom": {}}
    projections = Projections(database, Settings(), "boot", lambda _, user: shown.get(user))
    for user in shown:
        projections.presence_changed("w1", user)
    await projections.start()
    tables = Tables(database_url)

    async def users() -> bool:
        return {row["user_id"] for row in await tables.rows("SELECT user_id FROM user_presence")} == {"ana", "tom"}

    await eventually(users, "the others are written")
    await projections.stop()
    await database.close()


async def test_rows_of_the_dead_are_closed(database_url: str) -> None:
    """A gateway closes what its earlier lives left open when it starts, and what another one left when it dies."""
    database = await Database.open(database_url)
    for gateway, boot in (("gateway-1", "earlier"), ("gateway-1", "now"), ("gateway-2", "other"), ("gateway-3", "alive")):
        name = f"{gateway}-{boot}"
        await write_connections(database, [ConnectionRow(name, name, "w1", "ana", gateway, boot, 1, None, None)])
        await write_presence(database, [PresenceRow("w1", name, gateway, boot, {"status": "online"}, 1)])
    projections = Projections(database, Settings(), "now", lambda *_: None)
    projections.gateway_lost(Source("gateway-2", "other"))
    await projections.start()
    tables = Tables(database_url)
    still_open = "SELECT connection_id AS name FROM websocket_connections WHERE closed_at IS NULL ORDER BY 1"
    expected = [{"name": "gateway-1-now"}, {"name": "gateway-3-alive"}]
    await eventually(lambda: _equals(tables, still_open, expected), "only the living are open")
    present = "SELECT user_id AS name FROM user_presence WHERE presence IS NOT NULL ORDER BY 1"
    assert await tables.rows(present) == expected
    await projections.stop()
    await database.close()


async def _equals(tables: Tables, query: str, expected: list[dict[str, Any]]) -> bool:
    return await tables.rows(query) == expected


async def test_inv7_a_gateway_serves_while_postgres_is_away(stack: RunningGateway, found: FoundWedding) -> None:
    """Rows wait for the database; people do not."""
    await found("w1")
    await stack.gateway.database.close()
    talker = await stack.join("w1", "ana")
    await talker.event_of(await talker.insert_task("t1"))
    assert (await HttpApi(stack, "w1", "ana").get("presence")).body["activeUsers"] == ["ana"]
