"""Stored changes: the guarded checkpoint, blocks that come back as they were, and finding one op again (design D7)."""

import asyncio

import pytest

from actors.contract.decisions import Decision, refusal
from store import changes, outbox, stored_changes
from store.changes import Row
from store.errors import GenerationChanged
from store.outbox import OutboxRow
from store.postgres import Database
from tests.store.decisions import CLIENT, START_MS, decision, decisions

pytestmark = pytest.mark.servers
GENERATION = 1
PARTITIONS = 8


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with a checkpoint at 0 for every partition."""
    await changes.checkpoints(database, GENERATION, PARTITIONS)
    return database


async def write(store: Database, *blocks: list[Decision], partition: int = 1, wedding: str = "w1") -> None:
    """Flush each block by itself, one after the other."""
    stored = (await changes.checkpoints(store, GENERATION, PARTITIONS))[partition]
    for block in blocks:
        new = block[-1].position
        assert await changes.flush(store, GENERATION, {partition: (stored, new)}, [Row(partition, "w", wedding, block)]) == {}
        stored = new


async def read_all(store: Database, wedding: str = "w1") -> list[Decision]:
    return await stored_changes.read_after(store, "w", wedding, 0, limit_decisions=100_000)


async def test_d7_what_was_flushed_comes_back_exactly(store: Database) -> None:
    """Decisions of every kind are the same after storing, and the checkpoint stands at the new position."""
    block = [
        decision(1),
        decision(2, refusal=refusal("not_found"), parts=()),
        decision(3, op="intake-1795362043:7", client="intake", number=0, source="nats", permissions_changed=True),
    ]
    await write(store, block)
    assert await read_all(store) == block
    assert (await changes.checkpoints(store, GENERATION, PARTITIONS))[1] == 3


async def test_d7_the_guard_lets_one_host_win_per_partition(store: Database) -> None:
    """Who comes second learns the stored position and writes nothing there, while its other partitions go through."""
    await write(store, decisions(1, 10))
    rows = [Row(1, "w", "w1", decisions(1, 5)), Row(2, "w", "w2", decisions(1, 7))]
    sent = [OutboxRow(1, "late", "timer.a", b""), OutboxRow(2, "fine", "timer.b", b"")]
    refused = await changes.flush(store, GENERATION, {1: (0, 5), 2: (0, 7)}, rows, sent)
    assert refused == {1: 10}
    assert await read_all(store, "w1") == decisions(1, 10)
    assert await read_all(store, "w2") == decisions(1, 7)
    assert [row.id for row in await outbox.pending(store, [1, 2])] == ["fine"]


async def test_d7_a_checkpoint_moves_without_changes(store: Database) -> None:
    """How far the log was read is stored also where no op was the partition's own."""
    assert await changes.flush(store, GENERATION, {3: (0, 500), 4: (0, 500)}, []) == {}
    stored = await changes.checkpoints(store, GENERATION, PARTITIONS)
    assert (stored[3], stored[4], stored[5]) == (500, 500, 0)


async def test_d7_hosts_that_flush_at_once_store_each_decision_once(store: Database) -> None:
    """Two hosts with the same partitions in opposite order neither block each other nor store anything twice."""

    async def host(order: list[int]) -> int:
        won = 0
        for step in range(20):
            moves = dict.fromkeys(order, (step, step + 1))
            rows = [Row(partition, "w", f"w{partition}", [decision(step + 1)]) for partition in order]
            refused = await changes.flush(store, GENERATION, moves, rows)
            won += len(order) - len(refused)
        return won

    forward = list(range(PARTITIONS))
    won = await asyncio.gather(host(forward), host(forward[::-1]))
    assert sum(won) == 20 * PARTITIONS
    for partition in forward:
        assert await read_all(store, f"w{partition}") == decisions(1, 20)


async def test_d12_another_generation_writes_nothing(store: Database) -> None:
    """A host of an older or newer incarnation of the log is told so (design D12)."""
    with pytest.raises(GenerationChanged):
        await changes.flush(store, GENERATION + 1, {1: (0, 5)}, [Row(1, "w", "w1", decisions(1, 5))])
    with pytest.raises(GenerationChanged):
        await changes.checkpoints(store, GENERATION + 1, PARTITIONS)
    assert await read_all(store) == []


async def test_reading_after_a_rev_begins_inside_a_block(store: Database) -> None:
    """Activation gets every decision above its snapshot's rev, in order, wherever blocks begin and end."""
    await write(store, decisions(1, 10), decisions(11, 11), decisions(12, 30))
    for rev in (0, 5, 10, 11, 29, 30):
        found = await stored_changes.read_after(store, "w", "w1", rev, limit_decisions=1000)
        assert found == decisions(rev + 1, 30)
    assert await stored_changes.read_after(store, "w", "w1", 7, limit_decisions=5) == decisions(8, 12)
    assert await stored_changes.read_after(store, "w", "w2", 0, limit_decisions=5) == []


async def test_reading_goes_through_many_blocks(store: Database) -> None:
    """More blocks than one page holds are read without a hole, in both directions."""
    await write(store, *([decision(rev)] for rev in range(1, 201)))
    assert await read_all(store) == decisions(1, 200)
    assert await stored_changes.read_before(store, "w", "w1", 190, limit_decisions=150) == decisions(41, 190)


async def test_reading_before_a_rev_gives_the_last_ones(store: Database) -> None:
    """The last decisions at or below a rev come in ascending order."""
    await write(store, decisions(1, 10), decisions(11, 20))
    assert await stored_changes.read_before(store, "w", "w1", 13, limit_decisions=6) == decisions(8, 13)
    assert await stored_changes.read_before(store, "w", "w1", 100, limit_decisions=3) == decisions(18, 20)


async def test_reading_since_an_instant_includes_it(store: Database) -> None:
    """A history from an instant on begins with the decision of that very millisecond."""
    await write(store, decisions(1, 10), decisions(11, 20))
    assert await stored_changes.read_since(store, "w", "w1", START_MS + 8000, limit_decisions=100) == decisions(8, 20)
    assert await stored_changes.read_since(store, "w", "w1", START_MS + 8001, limit_decisions=2) == decisions(9, 10)


async def test_d5_an_old_op_is_found_again(store: Database) -> None:
    """One op's decision is found by principal and op id, however many blocks came since (design D5)."""
    await write(store, *([decision(rev)] for rev in range(1, 150)))
    found = await stored_changes.find(store, "w", "w1", "ann", f"{CLIENT}:3")
    assert found == decision(3)
    assert await stored_changes.find(store, "w", "w1", "ann", f"{CLIENT}:150") is None
    assert await stored_changes.find(store, "w", "w1", "bob", f"{CLIENT}:3") is None


async def test_d10_an_intake_op_is_found_by_its_own_id(store: Database) -> None:
    """Ops without numbers are found by their id among those of the same principal (design D10)."""
    intake = [decision(rev, op=f"planner-tool.{rev}", client="intake", number=0, principal="tool") for rev in range(1, 100)]
    await write(store, *([each] for each in intake))
    assert await stored_changes.find(store, "w", "w1", "tool", "planner-tool.7") == intake[6]
    assert await stored_changes.find(store, "w", "w1", "tool", "planner-tool.700") is None


async def test_d10_one_authors_id_never_finds_anothers_op(store: Database) -> None:
    """Two integrators may choose the same op id; each gets its own decision (design D10)."""
    mine = decision(1, op="same-id", client="intake", number=0, principal="tool")
    other = decision(2, op="same-id", client="intake", number=0, principal="other")
    await write(store, [mine, other])
    assert await stored_changes.find(store, "w", "w1", "tool", "same-id") == mine
    assert await stored_changes.find(store, "w", "w1", "other", "same-id") == other


async def test_blocks_lie_in_the_partition_of_their_day(store: Database) -> None:
    """Nothing falls into the default partition: the days ahead were made."""
    await write(store, decisions(1, 10))
    async with store.connection() as connection:
        tables = await connection.fetch("SELECT tableoid::regclass::text AS name FROM changes")
    assert [row["name"] for row in tables] != ["changes_default"]
    assert tables[0]["name"].startswith("changes_2")


async def test_the_outbox_keeps_its_order_until_struck_off(store: Database) -> None:
    """Messages wait in the order of writing, a repeated id is one message, and what is struck off is gone."""
    first = [OutboxRow(1, f"m{number}", f"timer.{number}", b"x") for number in (3, 1, 2)]
    await changes.flush(store, GENERATION, {1: (0, 1)}, [], first)
    await changes.flush(store, GENERATION, {1: (1, 2)}, [], [OutboxRow(1, "m1", "timer.1", b"again")])
    assert await outbox.pending(store, [1]) == first
    assert await outbox.pending(store, [2]) == []
    await outbox.strike(store, ["m3", "m2", "unknown"])
    assert await outbox.pending(store, [1]) == [OutboxRow(1, "m1", "timer.1", b"x")]
