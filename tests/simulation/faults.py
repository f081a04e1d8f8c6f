"""What happens to a world: processes die, freeze and go, servers are away, messages and answers get lost, listeners are cut off.

Each fault begins at some moment of a history and is over by itself; `heal` ends all of them at once. Chosen by history.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from actors.contract.markers import ACTIVATE, ActivateRules, encode_directive
from actors.contract.subjects import marker_subject
from actors.domain.rules import NEWEST
from tests.simulation.lines import Server
from tests.simulation.memory_bus import MemoryBus
from tests.simulation.world import PARTITIONS, HostLife, World

Fault = Callable[[World], None]


def _some_host(world: World) -> HostLife:
    return world.random.choice(list(world.hosts.values()))


def _for_a_while(world: World, longest_seconds: float, end: Callable[[], object]) -> None:
    world.ground.call_later(longest_seconds * world.random.random(), end)


def kill_host(world: World) -> None:
    """A host dies and comes back, or another one comes instead."""
    life = _some_host(world)
    world.seen["kills"] += life.process is not None
    life.crash()
    _for_a_while(world, 3.0, world.random.choice([life, _some_host(world)]).start)


def freeze_host(world: World) -> None:
    """A host stands still, shorter or longer than others wait for it."""
    life = _some_host(world)
    process = life.process
    if process is not None:
        world.seen["freezes"] += 1
        process.freeze()
        _for_a_while(world, world.random.choice([0.5, 5.0]), process.wake)


def join_host(world: World) -> None:
    """One more host takes a share."""
    _some_host(world).start()


def end_host(world: World) -> None:
    """A host goes in good order, and perhaps comes back."""
    life = _some_host(world)
    life.leave()
    _for_a_while(world, 6.0, life.start)


def stop_store(world: World) -> None:
    """PostgreSQL is away; what was under way has happened or not."""
    _stop(world, world.store_server, world.random.choice([0.5, 3.0]))


def stop_log(world: World) -> None:
    """NATS is away, for the log and for messages."""
    _stop(world, world.log_server, 1.0)
    for life in world.living():
        _cut_off(world, life)


def _stop(world: World, server: Server, longest_seconds: float) -> None:
    server.is_up = False
    world.seen["outages"] += 1
    _for_a_while(world, longest_seconds, partial(setattr, server, "is_up", True))


def lose_answers(world: World) -> None:
    """Acknowledgements of either server get lost now and then, so that their fate is unknown."""
    server = world.random.choice([world.store_server, world.log_server])
    server.loss = 0.3
    _for_a_while(world, 3.0, partial(setattr, server, "loss", 0.0))


def lose_messages(world: World) -> None:
    """Messages get lost, heartbeats too."""
    world.message_loss = 0.4
    _for_a_while(world, 3.0, partial(setattr, world, "message_loss", 0.0))


def cut_pair(world: World) -> None:
    """Two hosts do not hear each other, and both believe to own everything of the other."""
    pair = frozenset(world.random.sample(sorted(world.hosts), 2))
    world.cut_pairs.add(pair)
    world.seen["cut pairs"] += 1
    _for_a_while(world, 4.0, partial(world.cut_pairs.discard, pair))


def cut_off_host(world: World) -> None:
    """A host loses its connection to the bus."""
    _cut_off(world, _some_host(world))


def _cut_off(world: World, life: HostLife) -> None:
    bus = life.bus
    if bus is not None and life.process is not None and bus.is_connected:
        bus.disconnect()
        _for_a_while(world, 3.0, partial(_connect_again, life, bus))


def _connect_again(life: HostLife, bus: MemoryBus) -> None:
    if life.bus is bus and life.process is not None:
        bus.reconnect()


def lose_timers(world: World) -> None:
    """The stream of timers loses what it holds."""
    world.seen["timers lost"] += len(world.streams.schedules)
    world.streams.schedules.clear()


def activate_rules(world: World) -> None:
    """An operator activates the newest rules in every partition, while hosts come and go."""
    for partition in range(PARTITIONS):
        subject = marker_subject("r0", partition, ACTIVATE)
        world.streams.append([(subject, encode_directive(ActivateRules(NEWEST)))])
    world.seen["rules activated"] += 1


FAULTS: Final[tuple[Fault, ...]] = (
    kill_host, kill_host, freeze_host, freeze_host, join_host, end_host, stop_store, stop_log, lose_answers, lose_messages,
    cut_pair, cut_off_host, lose_timers, activate_rules,
)  # fmt: skip  # what comes twice comes twice as often


def heal(world: World) -> None:
    """End every fault; whoever is left or comes back goes on."""
    for server in (world.store_server, world.log_server):
        server.is_up, server.loss = True, 0.0
    world.message_loss = 0.0
    world.cut_pairs.clear()
    for life in world.hosts.values():
        if life.process is not None:
            life.process.wake()
            if life.bus is not None and not life.bus.is_connected:
                life.bus.reconnect()
    _start_somebody(world)
    # Whoever is draining now is gone by then.
    world.ground.call_later(3.0, _start_somebody, world)


def _start_somebody(world: World) -> None:
    if not world.living():
        _some_host(world).start()
