"""The first promise: people at sockets and a program on NATS edit one wedding at once, and all end up with the same."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import nats
import pytest
from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg

from bench.installation import Site
from bench.witness import Witness, is_read_by, stored_decisions
from gateway.client import Client, Pending
from tests.support.agreement import digests_of_actor, digests_of_fresh_fold, digests_of_stored_changes, read_by, with_items
from tests.support.random_edits import edit_at_random
from tests.support.requirements import require_shared
from tests.support.waiting import eventually
from tests.support.wedsync_process import WedSync

OPS_OF_EACH = 60


class Integrator:
    """A program on NATS: what it may publish and what it hears."""

    def __init__(self, connection: NatsClient, wedding: str, identity: str) -> None:
        self._connection = connection
        self._wedding = wedding
        self._identity = identity
        self.events: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []

    async def listen(self) -> None:
        """Subscribe to everything that it may hear."""
        await self._connection.subscribe(f"wedding.{self._wedding}.feed.{self._identity}.>", cb=self._on_event)
        await self._connection.subscribe(f"wedding.{self._wedding}.outcome.{self._identity}", cb=self._on_outcome)
        await self._connection.flush()
        await self._connection.flush()

    async def publish(self, op: dict[str, Any] | bytes, op_id: str) -> None:
        """Send an op under an id of its own."""
        payload = op if isinstance(op, bytes) else json.dumps(op).encode()
        await self._connection.publish(f"wedding.{self._wedding}.op.{self._identity}", payload, headers={"Wedsync-Op-Id": op_id})

    async def _on_event(self, message: Msg) -> None:
        self.events.append(json.loads(message.data))

    async def _on_outcome(self, message: Msg) -> None:
        self.outcomes.append(json.loads(message.data))


@asynccontextmanager
async def integrator(wedsync: WedSync, wedding: str, identity: str, role: str) -> AsyncIterator[Integrator]:
    """An integrator with the credentials that the command line printed."""
    url = wedsync.output_of("integrator", "--wedding", wedding, "--id", identity, "--role", role)
    connection = await nats.connect(url, inbox_prefix=f"_INBOX_{identity}".encode(), allow_reconnect=False)
    try:
        program = Integrator(connection, wedding, identity)
        await program.listen()
        yield program
    finally:
        await connection.close()


@pytest.mark.shared
@pytest.mark.timeout(120)
async def test_two_people_and_a_program_edit_lakeside_at_once(wedsync: WedSync, site: Site, http: aiohttp.ClientSession) -> None:
    """All views, the actor, the stored state and a fresh fold agree digest by digest, and everybody heard each event once."""
    folder = require_shared("data", "lakeside")
    imported = wedsync.output_of("import", str(folder))
    wedding = imported.splitlines()[-1].split()[1].rstrip(":")
    planner = wedsync.output_of("token", "--wedding", wedding, "--user", "paula", "--role", "planner")
    vendor = wedsync.output_of("token", "--wedding", wedding, "--user", "victor", "--role", "vendor")
    async with (
        Client(site.url, wedding, planner, session=http) as first,
        Client(site.url, wedding, vendor, session=http) as second,
        integrator(wedsync, wedding, "catering-app", "vendor") as program,
    ):
        witnesses = [Witness(first), Witness(second)]
        ops = await edit_together(first, second, program)
        outcomes = [await op.outcome() for op in ops]
        assert sum(outcome.applied for outcome in outcomes) > OPS_OF_EACH
        await eventually(lambda: len(heard_of(program, "catering-app")) == OPS_OF_EACH, "the program hears all its own ops")
        await eventually(lambda: follows(second, first), "both clients hold the same of what both may read")
        decisions = await eventually(lambda: all_stored(site, wedding, first), "the last op is stored")
        fresh = Client(site.url, wedding, site.token("paula", wedding), session=http)
        await fresh.connect()
        await fresh.until(lambda: fresh.sequences() == first.sequences())
        expected = with_items(first.digests())
        assert with_items(fresh.digests()) == expected
        assert read_by("paula", await digests_of_actor(site, wedding)) == expected
        assert read_by("paula", await digests_of_stored_changes(site, wedding)) == expected
        assert read_by("paula", await digests_of_fresh_fold(site, wedding)) == expected
        await fresh.close()
    assert [witness.holes_and_repeats() for witness in witnesses] == [0, 0]
    assert max(witnesses[0].seen().values()) == 1
    assert len({decision.op for decision in decisions}) == len(decisions)
    assert not [witness.snapshots_after_joining() for witness in witnesses if witness.snapshots_after_joining()]


async def edit_together(first: Client, second: Client, program: Integrator) -> list[Pending]:
    """Three authors at once, each as fast as it can while the others' edits come in."""
    ops: list[Pending] = []

    async def person(client: Client, seed: int, collections: Sequence[str]) -> None:
        draw = random.Random(seed)
        for _ in range(OPS_OF_EACH):
            ops.append(edit_at_random(client, draw, collections))
            await asyncio.sleep(0)

    async def machine() -> None:
        for number in range(OPS_OF_EACH):
            target = {"collection": "tasks", "id": f"machine-{number}"}
            op = {"type": "task_completion", "action": "insert", "target": target, "data": {"title": f"Step {number}"}}
            await program.publish(op, f"step-{number}")

    await asyncio.gather(
        person(first, 1, ["timeline", "guests", "tasks", "budget", "vendors", "tables"]),
        person(second, 2, ["timeline", "tasks", "vendors"]),
        machine(),
    )
    return ops


def heard_of(program: Integrator, user: str) -> list[str]:
    """The ops of one author that came on the program's feed."""
    return [event["id"] for event in program.events if event["userId"] == user]


def follows(second: Client, first: Client) -> bool:
    """Whether the second holds exactly what the first holds of the channels that both may read."""
    shared = {channel: sequence for channel, sequence in second.sequences().items() if is_read_by(first.user, channel)}
    digests = read_by(first.user, second.digests())
    return first.sequences().items() >= shared.items() and first.digests().items() >= digests.items()


async def all_stored(site: Site, wedding: str, client: Client) -> list[Any]:
    """The stored decisions, once they reach as far as the client has seen."""
    decisions = await stored_decisions(site, wedding)
    reached: dict[str, int] = {}
    for decision in decisions:
        reached |= {part.channel: part.sequence for part in decision.parts}
    return decisions if all(reached.get(name, 0) == sequence for name, sequence in client.sequences().items()) else []
