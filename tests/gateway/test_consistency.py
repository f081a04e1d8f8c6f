"""Every copy of a wedding is broken on purpose: it is found, told, counted, and that channel alone is brought back."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest

from actors.domain import snapshot_form
from actors.domain.state import ActorState
from actors.runtime.host import Host
from gateway.client import Client
from gateway.rooms.audits import Audits
from store import snapshots
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, token_of
from tests.support.hosts import host_settings, running_host
from tests.support.http_api import HttpApi, is_problem
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

CHANNEL = "tasks.team"


class Wedding(NamedTuple):
    """A wedding with a snapshot, a cache and a connected client."""

    host: Host
    gateway: RunningGateway
    client: Client
    api: HttpApi
    database_url: str

    def state(self) -> ActorState:
        """What the actor has in memory."""
        actors = [partition.actors.get(("w", "w1")) for partition in self.host.duty.ownership.partitions.values()]
        return next(actor.awake_state for actor in actors if actor is not None)

    async def copies(self, *, repair: bool = False) -> dict[str, Any]:
        """The report, by place."""
        answer = await self.api.post("consistency", {"repair": repair})
        assert answer.status == 200, answer
        return {copy["place"]: copy for copy in answer.body["copies"]} | {"agrees": answer.body["agrees"]}

    async def finds(self, place: str) -> dict[str, Any]:
        """One copy differs and no other; a repair mends it, and then all agree. Returns what was found."""
        found = await self.copies()
        assert [name for name in found if name != "agrees" and found[name]["agrees"] is False] == [place]
        assert not found["agrees"]
        assert (await self.copies(repair=True))[place]["repaired"]
        counts = self.gateway.gateway.counts
        assert (counts.divergences_by_place[place], counts.repairs_by_place[place]) == (2, 1)
        assert (await self.copies())["agrees"]
        copy: dict[str, Any] = found[place]
        return copy


@pytest.fixture
async def wedding(jetstream: NatsServer, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wedding]:
    """Two tasks, one document, a snapshot of it all, and ana's client."""
    monkeypatch.setattr("gateway.rooms.audits.PRESENT_SECONDS", 0.1)
    settings = host_settings(jetstream, database_url, snapshot_every_ops=3)
    async with running_host(settings) as host, running_gateway(gateway_settings(jetstream, database_url)) as gateway:
        api = HttpApi(gateway, "w1", "ana")
        await api.found_wedding()
        async with Client(gateway.url, "w1", token_of("ana", "w1")) as client:
            for number in range(2):
                await client.insert("tasks", f"t{number}", {"title": "Rings"}).outcome()
            await client.insert("documents", "d", {"title": "Vows"}).outcome()
            async with connected(database_url) as database:
                await eventually(lambda: database.fetchval("SELECT count(*) > 0 FROM snapshots"), "there is a snapshot")
            await gateway.gateway.hub.rooms["w1"].checkpoint(content=True)
            yield Wedding(host, gateway, client, api, database_url)


def connected(database_url: str) -> Any:
    """Connections that end with their block."""
    return asyncpg.create_pool(database_url, min_size=1, max_size=1)


async def test_copies_that_agree_are_told_one_by_one(wedding: Wedding) -> None:
    """Stored changes, snapshot, actor, gateway and client each agree; only couple and planner may ask, with a body or without."""
    found = await wedding.copies()
    assert (await wedding.api.post("consistency")).body["agrees"]
    assert {place: copy["agrees"] for place, copy in found.items() if place != "agrees"} == dict.fromkeys(
        ("stored", "snapshot", "actor", "gateway", "client"), True
    )
    await wedding.client.insert("people", "gia", {"name": "Gia", "role": "guest"}).outcome()
    assert is_problem(await HttpApi(wedding.gateway, "w1", "gia").post("consistency", {}), 403, "not_allowed")


async def test_an_altered_actor_is_found_and_rebuilt(wedding: Wedding) -> None:
    """A field that changed in the actor's memory is what the stored changes say again."""
    wedding.state().items["tasks"]["t0"].fields["title"] = "Altered"
    assert set((await wedding.finds("actor"))["channels"]) == {CHANNEL}
    assert wedding.state().items["tasks"]["t0"].fields["title"] == "Rings"
    assert (await wedding.client.update("tasks", "t0", {"title": "Gold"}).outcome()).applied


async def test_an_altered_cache_is_found_and_dropped(wedding: Wedding) -> None:
    """One byte of what joins are served from: it is read anew, also by the quiet watch."""
    room = wedding.gateway.gateway.hub.rooms["w1"]

    async def alter() -> None:
        checkpoint = await room.checkpoint(content=True)
        assert checkpoint.chunks is not None
        chunks = checkpoint.chunks["wedding.everyone"]
        chunks[0] = msgspec.structs.replace(chunks[0], state=msgspec.Raw(bytes(chunks[0].state).replace(b"A wed", b"B wed")))

    await alter()
    assert set((await wedding.finds("gateway"))["channels"]) == {"wedding.everyone"}
    await alter()
    gateway = wedding.gateway.gateway
    audits = Audits(gateway.bus, gateway.hub, gateway.owner, gateway.settings, gateway.counts)
    assert (await audits.look_at(room)).agrees is False
    await room.checkpoint(content=True)
    assert (await audits.look_at(room)).agrees is True


async def test_an_altered_client_gets_that_channel_again(wedding: Wedding) -> None:
    """A client that holds something else is brought the one channel by a repair."""
    replica = wedding.client.channels()
    replica[CHANNEL]["tasks"]["t0"]["title"] = "Altered"
    heard: list[tuple[str, str]] = []
    wedding.client.listening.on_sync.append(lambda report: heard.append((report.channel, report.reason)))
    assert set((await wedding.finds("client"))["channels"]) == {CHANNEL}
    assert heard == [(CHANNEL, "repair")]
    assert wedding.client.confirmed()["tasks"]["t0"]["title"] == "Rings"


@pytest.mark.parametrize("is_readable", [True, False])
async def test_a_damaged_snapshot_is_found_and_written_again(wedding: Wedding, is_readable: bool) -> None:
    """A snapshot with other contents, or one that nobody can read, becomes what the stored changes give."""
    async with connected(wedding.database_url) as database:
        rev, packed = await database.fetchrow("SELECT rev, state FROM snapshots ORDER BY rev DESC LIMIT 1")
        state = snapshot_form.decode(snapshots.unpack(packed))
        state.items["wedding"]["w1"].fields["title"] = "Altered"
        damaged = snapshots.pack(snapshot_form.encode(state)) if is_readable else packed[:-4]
        await database.execute("UPDATE snapshots SET state = $1 WHERE rev = $2", damaged, rev)
        found = await wedding.finds("snapshot")
        assert set(found["channels"]) == ({"wedding.everyone"} if is_readable else set())
        mended = await database.fetchval("SELECT state FROM snapshots WHERE rev = $1", rev)
        assert snapshots.unpack(mended) == snapshots.unpack(packed)
