"""What simulated histories have found, each told as the shortest story that shows it."""

from collections.abc import Iterator

import pytest

from actors.contract.subjects import WEDDING, log_stream
from actors.runtime.actor import Lifecycle
from actors.runtime.partition import Partition
from tests.simulation.clients import WEDDINGS, Client
from tests.simulation.processes import Process
from tests.simulation.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A world whose log is one stream."""
    made = next(made for made in map(World, range(100)) if made.identity.streams == 1)
    yield made
    made.end()


def _host_with_gaps(world: World) -> list[Partition]:
    """Let one host decide the ops of some weddings and throw its decisions away before they are stored."""
    life = world.hosts["host-1"]
    life.start()
    scheduler = world.scheduler
    assert scheduler.run_until(lambda: life.is_serving, 10.0)
    world.store_server.is_up = False
    gateway = Process(scheduler, "gateway")
    for wedding in WEDDINGS:
        scheduler.run(gateway, Client(world, gateway, 0, wedding, "ana").work(2, 0.1))
    host = life.host
    assert host is not None
    partitions = list(host.duty.ownership.partitions.values())
    world.store_server.is_up = True
    assert scheduler.run_until(lambda: host.counters.folded_ops == 2 * len(WEDDINGS), scheduler.now + 10.0)
    for partition in partitions:
        partition.throw_away()
    return [partition for partition in partitions if partition.has_gap]


@pytest.mark.timeout(5)
def test_d7_a_partition_given_up_during_a_silent_fold_does_not_hold_the_host(world: World) -> None:
    """The fold goes on to the ends of the other gaps and is over then, though the checkpoint of the one given up stays behind."""
    given_up, *others = _host_with_gaps(world)
    host = world.hosts["host-1"].host
    assert host is not None
    assert world.scheduler.run_until(lambda: host.counters.silent_folds > 0, world.scheduler.now + 10.0)
    given_up.drop()
    del host.duty.ownership.partitions[given_up.number]
    assert world.scheduler.run_until(lambda: not any(each.has_gap for each in others), world.scheduler.now + 10.0)
    assert not host.failure.done()


def test_d7_a_gap_that_another_host_filled_is_forgotten(world: World) -> None:
    """Its ops are stored and trimmed, so no fold could read them again: the host goes on from what is stored."""
    partitions = _host_with_gaps(world)
    for number in world.database.positions:
        world.database.positions[number] = world.streams.streams[log_stream(0)].last
    world.streams.trim(world.database.positions)
    assert world.scheduler.run_until(lambda: not any(each.has_gap for each in partitions), world.scheduler.now + 10.0)


def test_d7_a_snapshot_of_an_actor_that_wakes_anew_is_no_news(world: World) -> None:
    """It slept while its snapshot was written and was needed again before that was known; its host goes on."""
    life = world.hosts["host-1"]
    life.start()
    assert world.scheduler.run_until(lambda: life.is_serving, 10.0)
    host = life.host
    assert host is not None
    partition = host.duty.ownership.partitions[0]
    world.scheduler.let_run(life.process)
    actor = partition._actor(WEDDING, "w")
    world.scheduler.let_run(None)
    assert actor.lifecycle is Lifecycle.WAKING
    partition.note_snapshot(WEDDING, "w", 1)
    assert actor.snapshot_rev == 0


def test_d12_a_log_trimmed_while_a_host_takes_over_is_not_lost(world: World) -> None:
    """Its former owner stores and trims between the questions of the new one, for which nothing is missing."""
    database, stream = world.database, world.streams.streams[log_stream(0)]
    checkpoints = database.checkpoints
    world.streams.append([("log.r0.1.w.w1.ana", b"no op")] * 9)

    def answer(generation: int) -> dict[int, int]:
        before = checkpoints(generation)
        for number in database.positions:
            database.positions[number] = stream.last
        world.streams.trim(database.positions)
        return before

    database.checkpoints = answer  # type: ignore[method-assign]  # the one instant that matters
    life = world.hosts["host-1"]
    life.start()
    world.scheduler.run_until(lambda: life.is_serving, 10.0)
    assert world.offences == []
    assert life.is_serving
