"""Replacing a damaged or lost log: what is carried over, what is refused, and that it can be interrupted (design D12)."""

from pathlib import Path
from typing import Any

import pytest

from store import log_range, reseed_ledger, stored_changes, streams
from store.bus import Bus
from store.errors import LogIsForeign, LogIsWhole, LogMismatch, NoLeader, ReseedUnfinished
from store.postgres import Database
from store.reseed import reseed
from tests.recovery.conftest import MakeSettings, write_and_store, write_only
from tests.support import damage
from tests.support.hosts import LogAuthor, running_bus, running_host
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


async def titles(author: LogAuthor, database: Database, wedding: str) -> int:
    """How many tasks the wedding has, once a host answers."""
    await author.digests(wedding)
    found = await stored_changes.read_after(database, "w", wedding, 0, limit_decisions=1000)
    return sum(decision.type == "task_completion" and decision.refusal is None for decision in found)


async def has(author: LogAuthor, database: Database, tasks: int) -> bool:
    """Tell whether so many tasks are stored."""
    return await titles(author, database, "w1") == tasks


class Interrupted(Exception):
    """The process ended here."""


class Frail:
    """A bus that ends the work at its n-th request to JetStream."""

    def __init__(self, bus: Bus, requests: int) -> None:
        self._bus = bus
        self._left = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def js_request(self, *request: Any) -> dict[str, Any]:
        self._left -= 1
        if self._left < 0:
            raise Interrupted
        return await self._bus.js_request(*request)


class Shaky(Frail):
    """A bus on which every third request to JetStream meets nobody, as while a cluster chooses leaders, eight times."""

    failures = 8

    async def js_request(self, *request: Any) -> dict[str, Any]:
        self._left += 1
        if self._left % 3 == 0 and self.failures:
            self.failures -= 1
            raise NoLeader("JetStream system temporarily unavailable")
        return await self._bus.js_request(*request)


class Behind(Frail):
    """A bus to a cluster whose new leader has not taken in the last two messages until it has stored one more."""

    is_behind = True

    async def js_request(self, *request: Any) -> dict[str, Any]:
        if request[0].startswith("STREAM.UPDATE"):
            request[1]["num_replicas"] = 1
        self.is_behind &= not request[0].startswith("STREAM.DELETE")
        answer = await self._bus.js_request(*request)
        if request[0].startswith("STREAM.INFO.LOG") and self.is_behind:
            answer["config"]["num_replicas"] = 3
            answer["state"]["last_seq"] -= 2
        return answer

    async def js_publish(self, *message: Any) -> None:
        await self._bus.js_publish(*message)
        self.is_behind = False


async def test_d12_whole_log_is_not_replaced(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """A log that fits what is stored is kept unless it is forced; then it goes on above everything, with what was not stored."""
    last = await write_and_store(own_nats, database, settings_of(), 3)
    await write_only(own_nats, 2, first=3, known=4)
    async with running_bus(own_nats, "host") as bus:
        with pytest.raises(LogIsWhole):
            await reseed(bus, database, settings_of())
        result = await reseed(bus, database, settings_of(), force=True)
        [only] = result.streams
        assert (only.first_position, only.carried, only.lost) == (last + 3, 2, [])
        assert (await streams.identify(bus, database, settings_of(), whole=True)).generation == result.generation > 1
    async with running_host(settings_of()), running_bus(own_nats, "gateway") as bus:
        author = await LogAuthor.open(bus)
        await eventually(lambda: has(author, database, 5), "what was carried over is decided")


@pytest.mark.parametrize("other", [{"partitions": 16}, {"log_streams": 2}])
async def test_d12_a_reseeding_with_other_settings_than_the_logs_is_not_begun(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, other: dict[str, int]
) -> None:
    """A shell without the variables of the hosts would make a log that they refuse."""
    await write_and_store(own_nats, database, settings_of(), 1)
    async with running_bus(own_nats, "host") as bus:
        before = await streams.known_identity(database)
        with pytest.raises(LogMismatch, match="set WEDSYNC_"):
            await reseed(bus, database, settings_of(**other), force=True)
        assert await streams.known_identity(database) == before


async def test_d12_a_reseeding_has_a_generation_that_no_restored_backup_had(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """It counts from the clock, as a restore does: one more than before may have been another incarnation's."""
    await write_and_store(own_nats, database, settings_of(), 1)
    async with database.connection() as connection:
        since_2020 = await connection.fetchval("SELECT extract(epoch FROM now() - timestamptz '2020-01-01 00:00+00')")
    async with running_bus(own_nats, "host") as bus:
        assert (await reseed(bus, database, settings_of(), force=True)).generation >= int(since_2020)


async def test_d12_lost_log_is_replaced_above_what_is_stored(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """A log that went back is refused with the remedy; after the re-seeding nothing that was stored is gone and edits go on."""
    last = await write_and_store(own_nats, database, settings_of(), 20)
    own_nats.server.kill()
    damage.flip_bit(folder)
    damage.remove_index(folder)
    own_nats.server.start()
    with pytest.raises(LogMismatch, match=r"ops up to \d+ are stored: .* `wedsync reseed`"):
        async with running_host(settings_of()):
            pass
    async with running_bus(own_nats, "host") as bus:
        [only] = (await reseed(bus, database, settings_of())).streams
    assert (only.first_position, only.carried) == (last + 1, 0)
    async with running_host(settings_of()), running_bus(own_nats, "gateway") as bus:
        author = await LogAuthor.open(bus)
        for _ in range(21):
            author.next_id("ana")
        assert await author.insert_task("w1", "t20") == last + 1
        await eventually(lambda: has(author, database, 21), "the edit after the re-seeding joins the others")


async def test_d12_files_of_a_lost_stream_do_not_come_back_into_the_new_one(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, folder: Path
) -> None:
    """Without its description a stream is lost, its old blocks lie there still: the new log must begin where it says, empty."""
    last = await write_and_store(own_nats, database, settings_of(), 3)
    await write_only(own_nats, 5, first=3, known=4)
    own_nats.server.kill()
    damage.remove_description(folder)
    own_nats.server.start()
    async with running_bus(own_nats, "host") as bus:
        result = await reseed(bus, database, settings_of())
        [only] = result.streams
        found = await log_range.bounds(bus, "LOG_0")
        assert found is not None
        assert (only.first_position, found.first, found.last) == (last + 1, last + 1, last)
        assert (await streams.identify(bus, database, settings_of(), whole=True)).generation == result.generation


async def test_d12_another_databases_log_is_deleted_by_force_only(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """A log with another id than the database's is not thrown away by mistake."""
    await write_and_store(own_nats, database, settings_of(), 1)
    async with running_bus(own_nats, "host") as bus:
        async with database.connection() as connection:
            await connection.execute("UPDATE log_identity SET stream_id = 'another'")
        with pytest.raises(LogIsForeign):
            await reseed(bus, database, settings_of())


async def test_d12_interrupted_reseeding_is_finished_by_the_next(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """Wherever it ends, hosts refuse until it was run again, and the result is the same: every kept op once, in its order."""
    last = await write_and_store(own_nats, database, settings_of(), 2)
    await write_only(own_nats, 3, first=2, known=3)
    async with running_bus(own_nats, "host") as bus:
        result = None
        for requests in range(40):
            begun = await reseed_ledger.unfinished(database)
            if begun is not None:
                with pytest.raises(ReseedUnfinished, match="run `wedsync reseed` again"):
                    await streams.identify(bus, database, settings_of())
            try:
                result = await reseed(Frail(bus, requests), database, settings_of(), force=True)  # type: ignore[arg-type]  # a bus that breaks
            except Interrupted:
                continue
            break
        assert result is not None
        async with database.connection() as connection:
            # Begun once, however often it was run.
            assert await connection.fetchval("SELECT array_agg(generation) FROM reseeds") == [result.generation]
        [only] = result.streams
        assert (only.first_position, only.carried, only.lost) == (last + 4, 3, [])
        info = await bus.js_request("STREAM.INFO.LOG_0")
        assert (info["state"]["first_seq"], info["state"]["messages"]) == (last + 4, 3)
        assert "subject_transform" not in info["config"]
    async with running_host(settings_of()), running_bus(own_nats, "gateway") as bus:
        author = await LogAuthor.open(bus)
        await eventually(lambda: has(author, database, 5), "what was carried over is decided")


async def test_d12_a_server_that_is_away_for_a_moment_does_not_end_a_reseeding(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a cluster chooses leaders the steps are repeated, and every kept op is there once."""
    monkeypatch.setattr("store.away.PAUSE_SECONDS", 0.0)
    last = await write_and_store(own_nats, database, settings_of(), 2)
    await write_only(own_nats, 3, first=2, known=3)
    async with running_bus(own_nats, "host") as bus:
        shaky = Shaky(bus, 0)
        [only] = (await reseed(shaky, database, settings_of(), force=True)).streams  # type: ignore[arg-type]  # a bus that breaks
        found = await log_range.bounds(bus, "LOG_0")
    assert not shaky.failures
    assert found is not None
    assert (only.carried, found.first, found.last) == (3, last + 4, last + 6)


async def test_d12_what_a_new_leader_has_not_taken_in_yet_is_carried_over(
    own_nats: NatsServer, database: Database, settings_of: MakeSettings
) -> None:
    """In a cluster nothing that was saved is left behind because the leader that was asked had just been chosen."""
    await write_and_store(own_nats, database, settings_of(), 2)
    await write_only(own_nats, 3, first=2, known=3)
    async with running_bus(own_nats, "host") as bus:
        behind = Behind(bus, 0)
        [only] = (await reseed(behind, database, settings_of(), force=True)).streams  # type: ignore[arg-type]  # as above
    assert (only.carried, only.lost) == (3, [])
