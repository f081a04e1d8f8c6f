"""What is done to the processes: SIGKILL and SIGSTOP of host, gateway, NATS and Postgres, drawn from a seed.

The schedule is a pure function of the seed and the length, so a run can be repeated. The supervisor starts again what was killed.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import psutil

from bench.installation import Site
from config.supervision.processes import same_process

ROLES: Final = ("host", "gateway", "nats", "postgres")
KILL: Final = "kill"
FREEZE: Final = "freeze"
_FIRST_SECONDS: Final = 2.0
_SHORTEST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 2.5
_SHORTEST_FREEZE_SECONDS: Final = 1.0
_LONGEST_FREEZE_SECONDS: Final = 4.0


class Blow(NamedTuple):
    """One fault: when (seconds into the run), what, whom (`which` modulo the number of that role), and for how long."""

    at_seconds: float
    kind: str
    role: str
    which: int
    seconds: float

    def __str__(self) -> str:
        """How the report names it."""
        length = f" for {self.seconds:.1f} s" if self.kind == FREEZE else ""
        return f"{self.at_seconds:6.1f} s {self.kind} {self.role} {self.which}{length}"


def schedule(seed: int, seconds: float) -> list[Blow]:
    """Draw the faults of a run; the next may come while a process still stands frozen."""
    draw = random.Random(f"nemeses {seed}")
    at, blows = _FIRST_SECONDS, []
    while at < seconds:
        kind = draw.choice((KILL, FREEZE))
        length = draw.uniform(_SHORTEST_FREEZE_SECONDS, _LONGEST_FREEZE_SECONDS) if kind == FREEZE else 0.0
        blows.append(Blow(at, kind, draw.choice(ROLES), draw.randrange(100), length))
        at += draw.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    return blows


async def strike(site: Site, blow: Blow) -> bool:
    """Carry one fault out; False when no such process ran."""
    named = [entry for entry in site.processes() if entry["role"] == blow.role and entry.get("pid")]
    # What died a moment ago is still named, and its pid may be somebody else's by now.
    living = [process for entry in named if (process := same_process(entry["pid"], entry["started"])) is not None]
    if not living:
        return False
    victim = living[blow.which % len(living)]
    if blow.kind == KILL:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        return True
    with _frozen(victim):
        await asyncio.sleep(blow.seconds)
    return True


@contextmanager
def _frozen(victim: psutil.Process) -> Iterator[None]:
    """The process and its children (PostgreSQL has one for each connection) stand still."""
    try:
        family = [victim, *victim.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()


async def rage(site: Site, blows: Sequence[Blow]) -> list[Blow]:
    """Carry the schedule out from now on; returns the faults that found their process."""
    began = time.monotonic()

    async def in_time(blow: Blow) -> bool:
        await asyncio.sleep(max(0.0, began + blow.at_seconds - time.monotonic()))
        return await strike(site, blow)

    found = await asyncio.gather(*map(in_time, blows))
    return [blow for blow, done in zip(blows, found, strict=True) if done]
