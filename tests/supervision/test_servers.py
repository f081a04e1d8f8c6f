"""The embedded servers and the fixtures that hand them to the other tests."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from tests.support.servers import NatsServer, PostgresServer

pytestmark = pytest.mark.servers


async def test_database_is_fresh_for_each_test(database_url: str, empty_database_url: str) -> None:
    """Two databases of one test are different ones, and both accept connections."""
    assert database_url != empty_database_url
    for url in (database_url, empty_database_url):
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_postgres_syncs_every_commit(postgres_server: PostgresServer) -> None:
    """The shipped settings keep what was committed across a crash of the machine."""
    connection = await asyncpg.connect(postgres_server.url_of("postgres"))
    settings = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in ("fsync", "synchronous_commit")}
    await connection.close()
    assert settings == {"fsync": "on", "synchronous_commit": "on"}


async def test_jetstream_starts_empty(jetstream: NatsServer) -> None:
    """A test finds no streams of an earlier one."""
    client = await jetstream.connect("host")
    assert await client.jetstream().streams_info() == []
    await client.jetstream().add_stream(name="LOG_0", subjects=["log.>"])
    await client.close()


async def test_wrong_password_is_refused(nats_server: NatsServer) -> None:
    """Nobody becomes an internal user without its password."""
    assert (await _login_answer(nats_server, nats_server.password_of("host"))).startswith(b"PONG")
    assert b"Authorization Violation" in await _login_answer(nats_server, "wrong")


async def _login_answer(nats_server: NatsServer, password: str) -> bytes:
    """What the server says to a login as host; by hand, since the client leaks its socket when it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    try:
        await reader.readline()
        options = {"user": "host", "pass": password, "verbose": False, "pedantic": False}
        writer.write(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
