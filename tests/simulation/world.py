"""One made-up system: the servers, the network, and hosts that live, die and live again (the real Host, on ports in memory).

A host that ends by itself is started again, as the supervisor does, unless it ended for a reason that no fault of this world can
give: that is an offence. Made by history, hurt by faults.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from actors.domain.rules import RULES
from actors.runtime.errors import HostError
from actors.runtime.host import Host
from config.settings import Settings
from store.errors import AppendUnknown, BusDown, StoreError, StoreUnavailable
from store.streams import LogIdentity
from tests.simulation.lines import Server, SimulatedLine
from tests.simulation.memory_bus import Broker, MemoryBus
from tests.simulation.memory_log import MemoryLog, MemoryStreams
from tests.simulation.memory_store import MemoryDatabase, MemoryStore
from tests.simulation.processes import Process, Scheduler

#: 2027-06-19T08:00:00Z, a Saturday.
START_MS: Final = 1_813_392_000_000
PARTITIONS: Final = 4
RESTART_SECONDS: Final = 0.3


@cache
def settings_of(host: str, streams: int) -> Settings:
    """A host in a small and hasty world: few partitions, short intervals, little memory."""
    settings = Settings(
        host_id=host,
        partitions=PARTITIONS,
        log_streams=streams,
        flush_interval_seconds=0.4,
        flush_ops=8,
        snapshot_every_ops=4,
        idle_actor_sleep_seconds=1.2,
        idle_checkpoint_seconds=1.5,
        log_trim_interval_seconds=2.0,
        heartbeat_interval_seconds=0.7,
        member_timeout_seconds=1.8,
        drain_seconds=2.0,
        timer_sweep_seconds=2.0,
        timer_ahead_seconds=1.0,
    )
    # Smaller than anybody would set them: full buffers are met within a few ops.
    return settings.model_copy(update={"flush_buffer_bytes": 6_000, "waking_queue_bytes": 900})


class World:
    """See the module; everything in it happens in the order that the seed gives."""

    def __init__(self, seed: int) -> None:
        self.scheduler = Scheduler(seed)
        self.random = self.scheduler.random
        self.identity = LogIdentity("simulated", 1, PARTITIONS, self.random.choice([1, 1, 2]))
        #: Runs the servers and the faults; nothing ever happens to it.
        self.ground = Process(self.scheduler, "ground")
        self.store_server = Server(self.scheduler, self.ground, self.random.choice([0.01, 0.1, 0.6]))
        self.log_server = Server(self.scheduler, self.ground, self.random.choice([0.01, 0.05, 0.3]))
        self.database = MemoryDatabase(self.identity.generation, PARTITIONS, self.now_ms)
        self.streams = MemoryStreams(self.identity.streams, self.now_ms, self._at_ms)
        self.streams.is_filled = True
        if self.random.random() < 0.3:
            # The partitions began long ago.
            self.database.rules_markers(min(RULES))
        self.broker = Broker(self.fate_of_message)
        #: How often a message is lost, and the pairs of processes that do not hear each other.
        self.message_loss = 0.0
        self.cut_pairs: set[frozenset[str]] = set()
        self.hosts = {f"host-{number}": HostLife(self, f"host-{number}") for number in (1, 2, 3)}
        self.offences: list[str] = []
        #: What happened how often, to see that histories are not idle.
        self.seen: Counter[str] = Counter()
        self.boots = itertools.count(1)

    def now_ms(self) -> int:
        """Return the time of the log and of the store."""
        return START_MS + int(self.scheduler.now * 1000)

    def _at_ms(self, instant_ms: int, happens: Callable[[], None]) -> None:
        self.ground.call_at(max(self.scheduler.now, (instant_ms - START_MS) / 1000), happens)

    def fate_of_message(self, sender: MemoryBus, listener: MemoryBus) -> float | None:
        """Return how long a message takes, or None when it is lost."""
        if sender is not listener and self.cut_pairs and frozenset((sender.name, listener.name)) in self.cut_pairs:
            return None
        if self.message_loss and self.random.random() < self.message_loss:
            self.seen["messages lost"] += 1
            return None
        return 0.0005 + 0.02 * self.random.random() ** 4

    def connect(self, process: Process, name: str) -> MemoryBus:
        """Connect a process to the bus."""
        return MemoryBus(self.broker, process, SimulatedLine(process, self.log_server, BusDown), name)

    def store_of(self, process: Process) -> MemoryStore:
        line = SimulatedLine(process, self.store_server, StoreUnavailable)
        return MemoryStore(self.database, self.identity.generation, line)

    def log_of(self, process: Process) -> MemoryLog:
        return MemoryLog(self.streams, self.database, SimulatedLine(process, self.log_server, AppendUnknown))

    def end(self) -> None:
        """Let nothing of it go on."""
        for life in self.living():
            life.crash()

    def living(self) -> "list[HostLife]":
        return [life for life in self.hosts.values() if life.process is not None]


class HostLife:
    """One host name and the process that bears it now, if any."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.process: Process | None = None
        self.bus: MemoryBus | None = None
        self.host: Host | None = None
        self._world = world

    @property
    def is_serving(self) -> bool:
        """Tell whether it has taken its first share and goes on."""
        return self.process is not None and self.host is not None and not self.process.is_frozen

    def start(self) -> None:
        """Begin a life, unless there is one."""
        if self.process is None:
            world = self._world
            self.process = process = Process(world.scheduler, self.name)
            self.bus = bus = world.connect(process, self.name)
            process.call_soon(lambda: process.create_task(self._live(process, bus)))

    async def _live(self, process: Process, bus: MemoryBus) -> None:
        world = self._world
        settings = settings_of(self.name, world.identity.streams)
        store, op_log = world.store_of(process), world.log_of(process)
        host = Host(settings, bus, store, op_log, world.identity, lambda: f"{self.name}.{next(world.boots)}")
        try:
            await host.serve()
            self.host = host
            await asyncio.wait([host.failure])
            host.failure.result()
        except (StoreError, HostError, Exception) as error:
            world.ground.call_soon(partial(self._end, process, error))

    def _end(self, process: Process, error: Exception) -> None:
        """The host has ended by itself: a store that is away or a reader that was left behind are reasons, others are not."""
        if self.process is not process:
            return
        self._world.seen[f"host ended: {type(error).__name__}"] += 1
        if not isinstance(error, StoreError):
            self._world.offences.append(f"{self.name} ended with {error!r}")
        self.crash()
        self._world.ground.call_later(RESTART_SECONDS, self.start)

    def crash(self) -> None:
        """SIGKILL."""
        process, self.process = self.process, None
        if process is not None:
            self._count()
            if self.bus is not None:
                self.bus.disconnect()
            process.kill()
            for errors in [self.bus.handler_errors if self.bus is not None else []]:
                self._world.offences += [f"{self.name}: a handler met {error!r}" for error in errors]
        self.host = None

    def leave(self) -> None:
        """SIGTERM: it drains, and the process ends when it has."""
        host, process = self.host, self.process
        if host is None or process is None:
            return
        self._world.seen["planned ends"] += 1
        process.call_soon(lambda: process.create_task(self._drain(host, process)))

    async def _drain(self, host: Host, process: Process) -> None:
        await host.stop()
        self._world.ground.call_soon(partial(self._ended, process))

    def _ended(self, process: Process) -> None:
        if self.process is process:
            self.crash()

    def stats(self) -> dict[str, Any]:
        return {} if self.host is None else self.host.stats()

    def _count(self) -> None:
        if self.host is not None:
            for name, count in self.host.counters.as_dict().items():
                self._world.seen[name] += count
