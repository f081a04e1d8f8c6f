"""Carrying the faults out on a WedSync of our own, and noting when each was done and whom it met.

The supervisor starts again what was killed; when everything is killed we do. Faults that are drawn to overlap do overlap.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import psutil

from bench.installation import Installation, InstallationFailed
from bench.soak import nemeses
from bench.soak.nemeses import Blow
from bench.soak.proxy import IN, OUT, Link
from bench.soak.ways import Ways
from config.supervision.processes import same_process

DELAY_SECONDS: Final = 0.15
#: How often an operator tries to start before it is a failure of the run.
STARTS: Final = 3


class Struck(NamedTuple):
    """A fault that met somebody: when it began and ended, in the seconds of the history, and the name of the process."""

    blow: Blow
    whom: str
    began: float
    ended: float


class Nemesis:
    """Hurts one installation; `now` is the clock of the history."""

    def __init__(self, installation: Installation, ways: Ways | None, now: Callable[[], float]) -> None:
        self._installation = installation
        self._ways = ways
        self._now = now
        self._may_strike = asyncio.Event()
        self._may_strike.set()
        self.struck: list[Struck] = []
        #: How often `up` gave up when everything was started again.
        self.failed_starts = 0

    async def rage(self, blows: Sequence[Blow]) -> None:
        """Carry a schedule out from now on."""
        began = self._now()

        async def in_time(blow: Blow) -> None:
            await asyncio.sleep(max(0.0, began + blow.at_seconds - self._now()))
            await self.strike(blow)

        async with asyncio.TaskGroup() as striking:
            for blow in blows:
                striking.create_task(in_time(blow))

    async def strike(self, blow: Blow) -> None:
        """Carry one fault out; nothing happens when it finds nobody, or while everything is being started again."""
        if not self._may_strike.is_set():
            return
        began = self._now()
        whom = await self._carry_out(blow)
        if whom:
            self.struck.append(Struck(blow, whom, began, self._now()))

    async def _carry_out(self, blow: Blow) -> str:
        if blow.kind == nemeses.EVERYTHING:
            return await self._kill_everything()
        if blow.kind in nemeses.LINK_FAULTS:
            return await self._hurt_link(blow)
        # What died a moment ago is still named, and its pid may be somebody else's by now.
        living = [
            (entry["id"], process)
            for entry in self._installation.site.processes()
            if entry["role"] == blow.role
            and entry.get("pid")
            and (process := same_process(entry["pid"], entry["started"])) is not None
        ]
        if not living:
            return ""
        whom, victim = living[blow.which % len(living)]
        if blow.kind == nemeses.KILL:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        else:
            with frozen(victim):
                await asyncio.sleep(blow.seconds)
        return str(whom)

    async def _kill_everything(self) -> str:
        self._may_strike.clear()
        try:
            if self._ways is not None:
                await self._ways.heal()
            await self._installation.kill_everything()
            await self._start_again()
        finally:
            self._may_strike.set()
        return nemeses.EVERYTHING

    async def _start_again(self) -> None:
        """Start as an operator does: once more when `up` gave up, which is told."""
        for left in reversed(range(STARTS)):
            try:
                await self._installation.start()
            except InstallationFailed:
                self.failed_starts += 1
                if not left:
                    raise
            else:
                return

    async def _hurt_link(self, blow: Blow) -> str:
        links = self._ways.links(blow.role, blow.server) if self._ways is not None else []
        if not links:
            return ""
        whom, link = links[blow.which % len(links)]
        await _hurt(link, blow)
        await asyncio.sleep(blow.seconds)
        await link.heal()
        return whom


async def _hurt(link: Link, blow: Blow) -> None:
    if blow.kind == nemeses.DELAY:
        link.delay_seconds = DELAY_SECONDS
    elif blow.kind == nemeses.CUT:
        await link.close()
    elif blow.kind == nemeses.HALF_OPEN:
        link.swallowed = (IN, OUT)[blow.which % 2]
    else:
        link.hold()


@contextmanager
def frozen(victim: psutil.Process) -> Iterator[None]:
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
