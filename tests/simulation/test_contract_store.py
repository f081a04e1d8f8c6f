"""What every store of a host keeps (actors.runtime.ports.Store): the one in memory and the one in PostgreSQL alike."""

import pytest

from actors.contract.decisions import CancelTimer, Decision, StartTimer
from actors.contract.subjects import WEDDING
from store.changes import Row
from store.errors import GenerationChanged
from store.outbox import OutboxRow
from store.rules import MarkerRow
from store.snapshots import SnapshotRow
from tests.simulation.conftest import Ports
from tests.store.decisions import START_MS, decision, decisions

pytestmark = pytest.mark.servers


async def _store(ports: Ports, first: int, last: int, partition: int = 1, old: int | None = None) -> dict[int, int]:
    """Flush the decisions from one rev to another, whose positions have the same numbers."""
    await ports.store.checkpoints()
    row = Row(partition, WEDDING, "w1", decisions(first, last))
    message = OutboxRow(partition, f"message-{last}", "log.r0.2.w.w2.ann", b"{}")
    move = (first - 1 if old is None else old, last)
    return await ports.store.flush({partition: move}, [row], [message], [MarkerRow(partition, last, 2)])


async def _read(ports: Ports, rev: int = 0) -> list[Decision]:
    return await ports.store.read_after(WEDDING, "w1", rev, limit_decisions=1000)


async def test_d7_what_is_flushed_comes_back_with_its_checkpoint(ports: Ports) -> None:
    """Checkpoints begin at 0; decisions come back as they were, each once."""
    assert await ports.store.checkpoints() == {0: 0, 1: 0, 2: 0, 3: 0}
    assert await _store(ports, 1, 3) == {}
    assert await _store(ports, 4, 5) == {}
    assert (await ports.store.checkpoints())[1] == 5
    assert await _read(ports) == decisions(1, 5)
    assert await _read(ports, 3) == decisions(4, 5)


async def test_d7_a_flush_from_elsewhere_than_the_checkpoint_changes_nothing(ports: Ports) -> None:
    """It is told where the checkpoint stands; another partition of the same flush is stored."""
    await _store(ports, 1, 3)
    rows = [Row(1, WEDDING, "w1", decisions(3, 4)), Row(2, WEDDING, "w2", decisions(1, 2))]
    message = OutboxRow(1, "late", "log.r0.2.w.w2.ann", b"{}")
    assert await ports.store.flush({1: (2, 4), 2: (0, 2)}, rows, [message], [MarkerRow(1, 4, 3)]) == {1: 3}
    assert await ports.store.checkpoints() == {0: 0, 1: 3, 2: 2, 3: 0}
    assert await _read(ports) == decisions(1, 3)
    assert await ports.store.read_after(WEDDING, "w2", 0, limit_decisions=10) == decisions(1, 2)
    assert [row.id for row in await ports.store.pending_outbox([1], [], 10)] == ["message-3"]


async def test_d12_another_generation_is_told_so(ports: Ports) -> None:
    """It reads no checkpoints and stores nothing."""
    await _store(ports, 1, 3)
    other = ports.store_of(2)
    with pytest.raises(GenerationChanged):
        await other.flush({1: (3, 4)}, [Row(1, WEDDING, "w1", decisions(4, 4))], [], [])
    with pytest.raises(GenerationChanged):
        await other.checkpoints()
    assert await _read(ports) == decisions(1, 3)


async def test_d8_decisions_are_found_by_rev_time_and_op(ports: Ports) -> None:
    """Reading before a rev gives the last ones, reading since an instant the first, and an op is found however old."""
    await _store(ports, 1, 4)
    await _store(ports, 5, 9)
    store = ports.store
    assert await store.read_after(WEDDING, "w1", 2, limit_decisions=3) == decisions(3, 5)
    assert await store.read_before(WEDDING, "w1", 6, limit_decisions=3) == decisions(4, 6)
    assert await store.read_since(WEDDING, "w1", START_MS + 4500, limit_decisions=2) == decisions(5, 6)
    assert await store.find(WEDDING, "w1", "ann", decision(2).op) == decision(2)
    assert await store.find(WEDDING, "w1", "ben", decision(2).op) is None


def _snapshot(rev: int) -> SnapshotRow:
    return SnapshotRow(WEDDING, "w1", 1, rev, rev, 1, f"state {rev}".encode())


async def test_d7_a_snapshot_beyond_the_checkpoint_is_passed_over(ports: Ports) -> None:
    """Those covered by the checkpoint are kept and the newest is found; one of the same rev takes the place of the other."""
    await _store(ports, 1, 3)
    assert await ports.store.newest_snapshot(WEDDING, "w1") is None
    assert await ports.store.write_snapshots([_snapshot(2), _snapshot(4)]) == 1
    assert await ports.store.newest_snapshot(WEDDING, "w1") == _snapshot(2)
    assert await ports.store.newest_snapshot(WEDDING, "w1", 1) is None
    again = _snapshot(2)._replace(state=b"again")
    assert await ports.store.write_snapshots([again]) == 1
    assert await ports.store.newest_snapshot(WEDDING, "w1") == again
    assert await ports.store.write_snapshots([_snapshot(3)]) == 1
    assert await ports.store.newest_snapshot(WEDDING, "w1") == _snapshot(3)


async def test_d6_the_outbox_keeps_order_until_rows_are_struck_off(ports: Ports) -> None:
    """Each row once, in the order of its flush; unknown ids are fine."""
    await _store(ports, 1, 2)
    await _store(ports, 3, 4)
    assert [row.id for row in await ports.store.pending_outbox([0, 1], [], 10)] == ["message-2", "message-4"]
    assert await ports.store.pending_outbox([2], [], 10) == []
    assert [row.id for row in await ports.store.pending_outbox([1], [], 1)] == ["message-2"]
    assert await ports.store.pending_outbox([1], ["log.r0.2.w.w2.ann"], 10) == []
    await ports.store.strike_outbox(["message-2", "never written"])
    assert [row.id for row in await ports.store.pending_outbox([1], [], 10)] == ["message-4"]


async def test_d1_the_first_host_decides_with_which_rules_a_partition_begins(ports: Ports) -> None:
    """Markers are stored with the checkpoint that passes them."""
    assert (await ports.store.rules_markers(1))[1] == [(0, 1)]
    await _store(ports, 1, 3)
    assert (await ports.store.rules_markers(2))[1] == [(0, 1), (3, 2)]


async def test_d6_timers_are_sent_until_struck_off(ports: Ports) -> None:
    """An armed timer is to be sent once, a cancelled one is to be taken away, and both are forgotten then."""
    await ports.store.checkpoints()
    far_ms = 4_000_000_000_000
    arming = decision(1, effects=(StartTimer("bell", far_ms, b"{}", 1), StartTimer("gong", far_ms + 1, b"{}", 2)))
    await ports.store.flush({1: (0, 1)}, [Row(1, WEDDING, "w1", [arming])], [], [])
    rows = await ports.store.timers_to_send([1], 60.0)
    assert [(row.timer, row.number, row.due_ms) for row in rows] == [("bell", 1, far_ms), ("gong", 2, far_ms + 1)]
    await ports.store.strike_timers(rows)
    assert await ports.store.timers_to_send([1], 60.0) == []
    cancelling = decision(2, effects=(CancelTimer("bell"),))
    await ports.store.flush({1: (1, 2)}, [Row(1, WEDDING, "w1", [cancelling])], [], [])
    rows = await ports.store.timers_to_send([1], 60.0)
    assert [(row.timer, row.due_ms) for row in rows] == [("bell", None)]
    await ports.store.strike_timers(rows)
    assert await ports.store.timers_to_send([1], 60.0) == []


async def test_d7_every_stored_block_is_projected_once(ports: Ports) -> None:
    """A step tells how many blocks it took; the next one finds none."""
    await _store(ports, 1, 3)
    await _store(ports, 4, 5)
    assert await ports.store.project_events([0, 1]) == 2
    assert await ports.store.project_events([0, 1]) == 0


async def test_d1_an_op_on_which_two_lives_ended_is_condemned_until_it_is_stored(ports: Ports) -> None:
    """The same life counts once, and what the checkpoint has passed is no suspect any more."""
    await ports.store.checkpoints()
    await ports.store.note_deaths([(1, 1, 3, "first"), (1, 1, 4, "first")])
    await ports.store.note_deaths([(1, 1, 3, "first")])
    assert await ports.store.condemn([0, 1]) == []
    await ports.store.note_deaths([(1, 1, 3, "second")])
    assert await ports.store.condemn([0, 1]) == [(1, 3)]
    assert await ports.store.condemn([0]) == []
    assert await ports.store.flush({1: (0, 3)}, [], [], []) == {1: 0}, "nobody passes it unaware"
    assert await ports.store.flush({1: (0, 3)}, [], [], [], {1: 3}) == {}
    assert await ports.store.condemn([1]) == []
