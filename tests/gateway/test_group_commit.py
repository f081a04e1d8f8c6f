"""Group commit against a real log: what was acknowledged is there, in order per client, whatever is killed (design D5)."""

import asyncio
import random
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from config.supervision.data_folder import DataFolder
from gateway.errors import LogRefused, LogSilent, Overloaded
from gateway.ops.group_commit import GroupCommit
from store.bus import Bus
from store.log_writer import LogWriter
from tests.support.hosts import running_bus
from tests.support.servers import NatsServer, start_embedded_nats
from tests.support.waiting import eventually

SEED = 20270619
CLIENTS = 12
OPS_PER_CLIENT = 150
RESTARTS = 4


@pytest.fixture
def killable_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of this test alone, which it may kill and start again."""
    server = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    yield server
    server.server.stop()


@asynccontextmanager
async def commit_into(server: NatsServer, **stream: object) -> AsyncIterator[GroupCommit]:
    """A group commit into a fresh stream LOG_0 of this server."""
    async with running_bus(server, "host") as host:
        config = {"name": "LOG_0", "subjects": ["log.>"], "allow_atomic": True, "discard": "new", "storage": "file", **stream}
        await host.js_request("STREAM.CREATE.LOG_0", config)
    async with running_bus(server, "gateway") as bus:
        commit = await _commit_over(bus)
        try:
            yield commit
        finally:
            await commit.close()


async def _commit_over(bus: Bus, waiting_bytes_limit: int = 1 << 20, timeout_seconds: float = 1.0) -> GroupCommit:
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    limits = {"batch_ops": 50, "publishes_in_flight": 2, "waiting_bytes_limit": waiting_bytes_limit}
    return GroupCommit(writer, **limits, timeout_seconds=timeout_seconds)


async def read_log(server: NatsServer) -> dict[int, tuple[str, str]]:
    """Everything in the log: position -> (client, op)."""
    client = await server.connect("host")
    try:
        jetstream = client.jetstream()
        state = (await jetstream.stream_info("LOG_0")).state
        found: dict[int, tuple[str, str]] = {}
        for position in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg("LOG_0", position)
            assert message.subject is not None
            assert message.data is not None
            found[position] = (message.subject.rpartition(".")[2], message.data.decode())
        return found
    finally:
        await client.close()


@pytest.mark.servers
@pytest.mark.timeout(120)
async def test_d5_every_acknowledged_op_is_in_the_log_in_order_across_kills_of_the_server(killable_nats: NatsServer) -> None:
    """With the server killed again and again under load, acknowledged ops are all there, per client in order."""
    draw = random.Random(SEED)
    acknowledged: dict[tuple[str, str], int] = {}
    async with commit_into(killable_nats) as commit:

        def remember(key: tuple[str, str], done: asyncio.Future[int]) -> None:
            acknowledged[key] = done.result()

        async def edit(client: str) -> None:
            for number in range(1, OPS_PER_CLIENT + 1):
                future = commit.submit((client, client), f"log.r0.0.w.w1.{client}", str(number).encode())
                future.add_done_callback(partial(remember, (client, str(number))))
                if draw.random() < 0.3:
                    await asyncio.wait([future])

        editors = [asyncio.create_task(edit(f"c{index}")) for index in range(CLIENTS)]
        for restart in range(1, RESTARTS + 1):
            enough = restart * CLIENTS * OPS_PER_CLIENT // (RESTARTS + 2)
            await eventually(partial(_holds, acknowledged, enough), "enough ops are saved before the next kill")
            killable_nats.server.kill()
            await asyncio.to_thread(killable_nats.server.start)
        await asyncio.gather(*editors)
        await commit.drained()
        await eventually(lambda: len(acknowledged) == CLIENTS * OPS_PER_CLIENT, "all are acknowledged")
        assert commit.publishes_repeated > 0, "no publish was in flight at any kill: the test proves nothing"
    log = await read_log(killable_nats)
    assert {key: position for key, position in acknowledged.items() if log.get(position) != key} == {}
    for client in {client for client, _ in acknowledged}:
        first_occurrences = list(dict.fromkeys(op for owner, op in log.values() if owner == client))
        assert first_occurrences == [str(number) for number in range(1, OPS_PER_CLIENT + 1)]


def _holds(acknowledged: dict[tuple[str, str], int], enough: int) -> bool:
    return len(acknowledged) >= enough


@pytest.mark.servers
async def test_d5_ops_of_one_turn_share_a_publish(killable_nats: NatsServer) -> None:
    """Ops that come in the same loop turn are one atomic batch with contiguous positions."""
    async with commit_into(killable_nats) as commit:
        futures = [commit.submit((f"c{n}", "x"), f"log.r0.0.w.w1.c{n}", b"op") for n in range(20)]
        positions = await asyncio.gather(*futures)
        assert sorted(positions) == list(range(1, 21))
        assert commit.publishes == 1


@pytest.mark.servers
async def test_d5_a_full_log_refuses_an_op_and_what_follows_it_from_the_same_client(killable_nats: NatsServer) -> None:
    """Nothing of a refused client is stored behind the hole; the refusal is final and frees the number."""
    async with commit_into(killable_nats, max_msgs=3) as commit:
        futures = [commit.submit(("c", "x"), "log.r0.0.w.w1.c", str(number).encode()) for number in range(1, 7)]
        answers = await asyncio.gather(*futures, return_exceptions=True)
        assert answers[:3] == [1, 2, 3]
        assert all(isinstance(answer, LogRefused) for answer in answers[3:])
    assert [op for _, op in (await read_log(killable_nats)).values()] == ["1", "2", "3"]


@pytest.mark.servers
async def test_inv7_more_than_the_gateway_may_hold_is_refused_at_once(killable_nats: NatsServer) -> None:
    """With the server away, ops wait up to the limit in bytes and no further, and those are saved when it is back."""
    async with commit_into(killable_nats) as _, running_bus(killable_nats, "gateway") as bus:
        commit = await _commit_over(bus, waiting_bytes_limit=100)
        killable_nats.server.kill()
        await eventually(lambda: not bus.connected, "the bus has noticed")
        futures = []
        with suppress(Overloaded):
            while True:
                futures.append(commit.submit(("c", "x"), "log.r0.0.w.w1.c", b"0123456789"))
        assert len(futures) == 10
        killable_nats.server.start()
        assert len(set(await asyncio.gather(*futures))) == 10
        await commit.close()


@pytest.mark.servers
async def test_d5_while_the_log_has_no_leader_ops_wait_and_keep_their_order(killable_nats: NatsServer) -> None:
    """What nobody takes at the moment, as in an election, is neither refused nor lost: it is saved in order later."""
    async with running_bus(killable_nats, "gateway") as bus, running_bus(killable_nats, "host") as host:
        commit = await _commit_over(bus)
        saved = [commit.submit(("ana", "c1"), "log.r0.0.w.w1.ana", b"%d" % number) for number in range(20)]
        await eventually(lambda: commit.publishes_repeated, "the first publish was in vain")
        await host.js_request("STREAM.CREATE.LOG_0", {"name": "LOG_0", "subjects": ["log.>"], "allow_atomic": True})
        assert await asyncio.gather(*saved) == list(range(1, 21))
        await commit.close()


@pytest.mark.servers
async def test_a_log_that_acknowledges_nothing_refuses_new_ops_and_forgets_none(killable_nats: NatsServer) -> None:
    """Ops that come while the log answers nothing are refused at once; what was sent before is saved when it answers again."""
    async with commit_into(killable_nats), running_bus(killable_nats, "gateway") as bus:
        commit = await _commit_over(bus, timeout_seconds=0.1)
        assert await commit.submit(("ana", "c1"), "log.r0.0.w.w1.ana", b"1") == 1
        server = killable_nats.server.process
        assert server is not None
        server.send_signal(signal.SIGSTOP)
        try:
            sent = commit.submit(("ana", "c1"), "log.r0.0.w.w1.ana", b"2")
            await eventually(lambda: commit.is_silent, "the log is known to be silent")
            with pytest.raises(LogSilent):
                await commit.submit(("ben", "c2"), "log.r0.0.w.w1.ben", b"1")
        finally:
            server.send_signal(signal.SIGCONT)
        assert await sent > 1
        assert not commit.is_silent
        assert await commit.submit(("ben", "c2"), "log.r0.0.w.w1.ben", b"1") > 2
        await commit.close()
