"""Ghosts: two gateways, one is killed with SIGKILL; how long do its people stay in the presence of the others?

Judged: every survivor has seen every lost member go within 5 s of each kill. Before the next one the dead gateway is there again
and everybody connects anew, so that both have members.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.installation import Installation, Site
from bench.wedding_load import MemberPlan, found_weddings
from gateway.client import Connection, ConnectionClosed

LONGEST_SECONDS: Final = 5.0
MEMBERS: Final = 24
#: What a killed gateway has to be there again.
RESTART_SECONDS: Final = 6.0
PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02


class GhostWatcher:
    """One member: who it sees, whether its socket lives, and when somebody went for its eyes."""

    def __init__(self, plan: MemberPlan, may_come: asyncio.Event) -> None:
        """It connects while `may_come` is set."""
        self.plan = plan
        self._may_come = may_come
        self._connection: Connection | None = None
        self.is_connected = False
        self.seen: set[str] = set()
        self.gone_at: dict[str, float] = {}

    async def run(self, session: aiohttp.ClientSession, site: Site) -> None:
        """Connect, follow, and come back whenever the socket ends."""
        while True:
            await self._may_come.wait()
            with suppress(ConnectionClosed, aiohttp.ClientError, TimeoutError):
                self._connection = await Connection.open(session, site.url)
                await self._follow(self._connection)
            self.is_connected = False
            await asyncio.sleep(2 * _POLL_SECONDS)

    async def leave(self) -> None:
        """Hang up; it comes back by itself."""
        if self._connection is not None:
            await self._connection.close()

    async def _follow(self, connection: Connection) -> None:
        await connection.hello(self.plan.wedding, self.plan.token)
        await connection.receive_until("synced")
        self.is_connected = True
        while True:
            frame = await connection.receive()
            if frame["type"] != "presence_update":
                continue
            before = self.seen
            here = {user for user, presence in frame["presence"].items() if presence is not None}
            self.seen = here if frame["whole"] else (before | here) - (frame["presence"].keys() - here)
            self.gone_at |= dict.fromkeys(before - self.seen, time.perf_counter())


async def run_ghosts(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kill gateways one after the other and tell how long their people were still seen."""
    kills = options.kills or 5
    async with Installation(folder, gateways=2, environment={"WEDSYNC_LOG_LEVEL": "warning"}) as installation:
        plans = await found_weddings(installation.site, 1, MEMBERS, {})
        may_come = asyncio.Event()
        may_come.set()
        watchers = [GhostWatcher(plan, may_come) for plan in plans]
        async with aiohttp.ClientSession() as session:
            running = [asyncio.create_task(watcher.run(session, installation.site)) for watcher in watchers]
            try:
                seconds = [await _kill(installation, watchers, may_come, number) for number in range(kills)]
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
    longest = max(seconds)
    print(f"{kills} gateways killed; their people were seen for {', '.join(f'{each:.2f}' for each in seconds)} s after it")
    print(f"longest {longest:.2f} s: " + ("passed" if longest <= LONGEST_SECONDS else "FAILED"))
    return {"kills": kills, "seconds": seconds, "longest_seconds": longest, "passed": longest <= LONGEST_SECONDS}


async def _kill(installation: Installation, watchers: list[GhostWatcher], may_come: asyncio.Event, number: int) -> float:
    """Kill a gateway; returns after how many seconds the last survivor saw the last of its people go."""
    everybody = {watcher.plan.user for watcher in watchers}
    await _until(lambda: all(each.is_connected and each.seen == everybody for each in watchers), "everybody sees everybody")
    gateways = sorted(name for name in installation.pids() if name.startswith("gateway"))
    for watcher in watchers:
        watcher.gone_at.clear()
    may_come.clear()
    killed_at = time.perf_counter()
    os.kill(installation.pids()[gateways[number % len(gateways)]], signal.SIGKILL)
    await asyncio.sleep(10 * _POLL_SECONDS)
    lost = {watcher.plan.user for watcher in watchers if not watcher.is_connected}
    survivors = [watcher for watcher in watchers if watcher.plan.user not in lost]
    print(f"gateway {number % 2 + 1} killed: {len(lost)} members lost, {len(survivors)} stay", file=sys.stderr, flush=True)
    await _until(lambda: all(lost <= each.gone_at.keys() for each in survivors), "the lost are gone")
    took = max((each.gone_at[user] - killed_at for each in survivors for user in lost), default=0.0)
    may_come.set()
    await asyncio.sleep(RESTART_SECONDS)
    await asyncio.gather(*(watcher.leave() for watcher in watchers))
    return took


async def _until(is_so: Any, what: str) -> None:
    until = time.perf_counter() + PATIENCE_SECONDS
    while not is_so():
        if time.perf_counter() > until:
            raise RuntimeError(f"Waited {PATIENCE_SECONDS:.0f} s in vain until {what}.")
        await asyncio.sleep(_POLL_SECONDS)
