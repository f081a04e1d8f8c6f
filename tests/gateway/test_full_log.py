"""A log without room: writers are refused clearly, readers go on, and storing what was decided heals it (design D11, INV7)."""

from contextlib import suppress
from typing import Any

import pytest

from actors.contract.ops import Op, Target
from store.errors import AppendRefused
from store.postgres import Database
from tests.support.gateways import Talker, gateway_settings, running_gateway
from tests.support.hosts import LogAuthor, host_settings, running_bus, running_host
from tests.support.http_api import HttpApi, is_problem
from tests.support.integrators import callout_settings, integrator
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
MIB = 1024 * 1024


async def fill(author: LogAuthor, wedding: str) -> None:
    """Write documents into the log until it takes none, however small."""
    for size in (60_000, 2_000, 1):
        with suppress(AppendRefused):
            while True:
                op_id = author.next_id("filler")
                data: dict[str, Any] = {"title": "Speech", "text": "x" * size}
                target = Target("documents", f"d{op_id.rpartition(':')[2]}")
                await author.write(wedding, "filler", Op("document_edit", "insert", target, op_id, data))


async def require_refused(talker: Talker, ana: HttpApi) -> None:
    """Over both entrances the author is told why, and what to do."""
    op = await talker.insert_task("t1")
    refused = await talker.expect("rejected", op=op, code="unavailable", next=1)
    assert (refused["message"], bool(refused["remedy"])) == ("The log is full: nothing was saved.", True)
    answer = await ana.submit("task_completion", "insert", "tasks", "t2", {"title": "Rings"})
    assert is_problem(answer, 503, "unavailable")
    assert answer.body["detail"].startswith("The log is full")


async def test_d11_a_full_log_refuses_writers_serves_readers_and_heals(
    jetstream: NatsServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing can be stored the log fills and says so; when storing goes on it is trimmed and takes ops again.

    An integrator's op is kept meanwhile, and its author is told that it waits.
    """
    monkeypatch.setattr("gateway.ops.intake._DELAYED_AFTER_SECONDS", 0.0)
    database = await Database.open(database_url)
    small = {"log_max_bytes": 16 * MIB}
    async with (
        running_host(host_settings(jetstream, database_url, **small)),
        running_gateway(gateway_settings(jetstream, database_url, **small, **callout_settings(jetstream))) as gateway,
        running_bus(jetstream, "gateway") as bus,
    ):
        author, ana = await LogAuthor.open(bus), HttpApi(gateway, "w1", "ana")
        assert (await ana.found_wedding()).status == 201
        assert (await HttpApi(gateway, "w2", "filler").found_wedding()).status == 201
        await ana.submit("permission_update", "insert", "people", "bot", {"name": "bot", "role": "vendor"})
        talker = await gateway.join("w1", "ana")
        async with integrator(jetstream, "w1", "bot") as bot, database.transaction() as connection:
            # Nobody's checkpoint can move, as when PostgreSQL stands still.
            await connection.execute("LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE")
            await fill(author, "w2")
            await require_refused(talker, ana)
            reader = await gateway.join("w1", "ana")
            assert "wedding.everyone" in reader.syncs
            assert (await ana.get("presence")).status == 200
            assert (await ana.get("history")).status == 200
            await bot.task("insert", "kept", {"title": "Flowers"}, Wedsync_Op_Id="kept-1")
            delayed = await bot.outcome("unavailable")
            assert (delayed["type"], delayed["op"], delayed["message"][:15]) == ("delayed", "kept-1", "The log is full")

        async def is_taken() -> bool:
            return (await ana.submit("task_completion", "insert", "tasks", "t3", {"title": "Shoes"})).status == 200

        await eventually(is_taken, "the log takes ops again", within_seconds=20)

        async def is_kept() -> bool:
            news = await ana.post("sync", {"channels": {}})
            return "kept" in news.body["channels"]["tasks.team"]["state"]["tasks"]

        await eventually(is_kept, "what was delayed is taken")
    await database.close()
