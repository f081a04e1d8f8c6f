"""One history: a world, some clients and an ear, some faults; then everything heals, is stored, and is checked.

All of it follows from the seed. Called by the tests, by the campaign (`__main__`), and by whoever replays a seed.
"""

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

from tests.simulation.checks import offences_of
from tests.simulation.clients import PEOPLE, WEDDINGS, Client
from tests.simulation.faults import FAULTS, heal
from tests.simulation.observer import Observer
from tests.simulation.processes import Process
from tests.simulation.world import World

#: How long clients are at work and faults may begin, and how long healing may take, in virtual seconds.
ACTIVE_SECONDS: Final = 3.0
HEAL_WITHIN_SECONDS: Final = 40.0
MAX_OFFENCES: Final = 5
Prepare = Callable[[World], None]


class Outcome(NamedTuple):
    """What came of a history; `digest` is over all that was written and said, and when."""

    seed: int
    offences: list[str]
    seen: Counter[str]
    seconds: float
    digest: str


def run_history(seed: int, prepare: Prepare = lambda _world: None) -> Outcome:
    """Run one history to its end; `prepare` may break the world before it begins."""
    world = World(seed)
    prepare(world)
    random, scheduler = world.random, world.scheduler
    gateway = Process(scheduler, "gateway")
    observer = Observer(world, gateway)
    scheduler.run(gateway, observer.listen())
    for life in random.sample(list(world.hosts.values()), random.randint(1, len(world.hosts))):
        life.start()
    clients = _clients(world, gateway)
    work = [gateway.create_task(client.work(random.choice((3, 6, 10)), ACTIVE_SECONDS)) for client in clients]
    work.append(gateway.create_task(observer.ask_now_and_then(ACTIVE_SECONDS)))
    for _ in range(random.choice((0, 1, 2, 3, 4, 6))):
        world.ground.call_at(ACTIVE_SECONDS * random.random(), random.choice(FAULTS), world)
    scheduler.run_until(lambda: scheduler.now >= ACTIVE_SECONDS, ACTIVE_SECONDS)
    heal(world)
    if not scheduler.run_until(
        lambda: all(task.done() for task in work) and is_stored(world), ACTIVE_SECONDS + HEAL_WITHIN_SECONDS
    ):
        world.offences.append(f"not everything is stored {HEAL_WITHIN_SECONDS:g} s after all faults are over")
    world.offences += [f"in the gateway: {task.exception()!r}" for task in work if task.done() and task.exception()]
    world.offences += offences_of(world, clients, observer)
    digest = _digest(world, observer)
    world.end()
    gateway.kill()
    offences = (world.offences + scheduler.faults)[:MAX_OFFENCES]
    return Outcome(seed, offences, world.seen + Counter({"guard refusals": world.database.guard_refusals}), scheduler.now, digest)


def _clients(world: World, gateway: Process) -> list[Client]:
    """One author of each wedding, and some more people."""
    weddings = WEDDINGS[: world.random.randint(1, len(WEDDINGS))]
    authors = [Client(world, gateway, 0, wedding, PEOPLE[0]) for wedding in weddings]
    count = world.random.randint(1, 3)
    return authors + [
        Client(world, gateway, number, world.random.choice(weddings), world.random.choice(PEOPLE))
        for number in range(1, count + 1)
    ]


def is_stored(world: World) -> bool:
    """Tell whether every checkpoint is at the end of its log, every message has left and every timer has fired."""
    lasts = [world.streams.streams[f"LOG_{index}"].last for index in range(world.identity.streams)]
    positions = world.database.positions
    is_read = bool(positions) and all(position >= lasts[partition % len(lasts)] for partition, position in positions.items())
    return is_read and not world.database.outbox and not world.database.timers


def _digest(world: World, observer: Observer) -> str:
    written = [[stream.records, stream.first] for stream in world.streams.streams.values()]
    said = [sorted(observer.envelopes.items()), observer.digests]
    everything = (written, sorted(world.database.blocks.items()), said, sorted(world.seen.items()), world.scheduler.now)
    return blake2b(repr(everything).encode(), digest_size=16).hexdigest()
