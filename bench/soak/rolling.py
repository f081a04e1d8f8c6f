"""The campaign of the rolling restart: every gateway replaced under load, by command and by SIGTERM, while everybody works.

No op may be lost, nobody may be without a connection for more than five seconds, and those of a gateway must come back spread
over its window. `python -m bench.soak rolling`; every other promise is checked over the history as in any soak.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from bench.installation import Installation, Site
from bench.soak.checks import everything
from bench.soak.crowd import gathered
from bench.soak.history import Entry, History
from bench.soak.members import soak_wedding
from bench.soak.reminders import fired_in, silent
from bench.soak.report import counts, errors_in, heading, verdict
from bench.soak.run import Options, at_the_end
from bench.soak.stored import decisions_of, proofs_of
from bench.wedding_load import found_weddings

#: Nobody may be away for longer.
AWAY_SECONDS: Final = 5.0
#: The window is cut into so many parts; with this many leaving, none of the parts may hold more than this share of them.
PARTS: Final = 10
ENOUGH_TO_JUDGE: Final = 20
LARGEST_SHARE: Final = 0.35
_READY_WITHIN_SECONDS: Final = 90.0
_BETWEEN_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 5.0


class Drain(NamedTuple):
    """One gateway that was told to end: how, which, and from when to when somebody could leave it."""

    how: str
    gateway: str
    began: float
    ended: float


async def run_rolling(folder: Path, options: Options) -> int:
    """Run it and print; returns how much is broken."""
    print(heading(options.seed, options.seconds, options.rate, {}), flush=True)
    environment = {"WEDSYNC_LOG_LEVEL": "info", "WEDSYNC_DRAIN_SECONDS": str(_DRAIN_SECONDS)}
    installation = Installation(folder, gateways=options.gateways, hosts=2, environment=environment)
    history = History(folder / "history.jsonl")
    async with installation, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        site = installation.site
        plans = await found_weddings(site, options.weddings, options.members, soak_wedding(), prefix="soak")
        weddings = sorted({plan.wedding for plan in plans})
        async with gathered(history, site, plans, session) as crowd:
            ended = asyncio.Event()
            patience = options.healed_seconds
            working = asyncio.create_task(
                crowd.work(options.seed, options.rate, ended.is_set, patience_seconds=patience, publishers=1)
            )
            drains = await _roll_for(options.seconds, installation, history)
            ended.set()
            await working
            await crowd.answered(patience)
            actors, copies, differences = await at_the_end(crowd, site, weddings, options)
        differences += await proofs_of(site, actors)
        stored = await decisions_of(site, weddings)
    history.close()
    print(counts(history.entries, [], 0, len(stored), fired_in(stored)))
    print(errors_in(installation.log_path))
    offences = differences + list(_told_about_absences(history.entries, drains))
    offences += silent(stored) + everything(history.entries, stored, actors, copies)
    print(verdict(offences, options.seed, history.path, options.shown), flush=True)
    return len(offences)


async def _roll_for(seconds: float, installation: Installation, history: History) -> list[Drain]:
    """Replace all gateways by each way in turn until the time is over, each way at least once."""
    until = time.monotonic() + seconds
    drains: list[Drain] = []
    while len({drain.how for drain in drains}) < len(_WAYS) or time.monotonic() < until:
        for way in _WAYS:
            drains += await way(installation, history)
    return drains


async def _by_command(installation: Installation, history: History) -> list[Drain]:
    """`wedsync restart gateways`: each ends when another one serves in its place."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "config.cli.app", "restart", "gateways", "--data", str(installation.data.path)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    drains, began = [], history.now()
    while line := (await process.stdout.readline()).decode():
        print(line.strip(), flush=True)
        drains.append(Drain("command", line.partition(":")[0], began, history.now()))
        began = history.now()
    if await process.wait():
        raise RuntimeError(f"`wedsync restart gateways` failed, see {installation.log_path}")
    return drains


async def _by_signal(installation: Installation, history: History) -> list[Drain]:
    """SIGTERM to one gateway after the other; the supervisor starts each again."""
    drains = []
    for gateway in _gateways(installation.site):
        began = history.now()
        os.kill(gateway["pid"], signal.SIGTERM)
        async with asyncio.timeout(_READY_WITHIN_SECONDS):
            while not _serves_again(installation.site, gateway):  # noqa: ASYNC110  # a state file sets no event
                await asyncio.sleep(0.1)
        drains.append(Drain("SIGTERM", gateway["id"], began, history.now()))
        await asyncio.sleep(_BETWEEN_SECONDS)
    return drains


_WAYS: Final = (_by_command, _by_signal)


def _gateways(site: Site) -> list[dict[str, Any]]:
    return [entry for entry in site.processes() if entry["role"] == "gateway"]


def _serves_again(site: Site, before: dict[str, Any]) -> bool:
    now = next(entry for entry in _gateways(site) if entry["id"] == before["id"])
    return bool(now["state"] == "ready" and now["pid"] != before["pid"])


def absences(history: Sequence[Entry]) -> list[tuple[float, float]]:
    """When each member lost its connection and when it was up to date again (infinity: never)."""
    away: dict[tuple[str, str], float] = {}
    found: list[tuple[float, float]] = []
    for entry in history:
        key = (entry.wedding, entry.client)
        if entry.kind == "away":
            away[key] = entry.time
        elif entry.kind == "back" and key in away:
            found.append((away.pop(key), entry.time))
    return found + [(began, float("inf")) for began in away.values()]


def _told_about_absences(history: Sequence[Entry], drains: Sequence[Drain]) -> Iterator[str]:
    """Print when they left and how long they were away; yields what was not as promised."""
    all_absences = absences(history)
    lengths = sorted(back - left for left, back in all_absences)
    if not lengths:
        yield "away: nobody ever lost a connection, so nothing was proved"
        return
    print(
        f"{len(drains)} gateways replaced, {len(lengths)} connections moved; away p50 {lengths[len(lengths) // 2]:.2f} s, "
        f"p99 {lengths[len(lengths) * 99 // 100]:.2f} s, longest {lengths[-1]:.2f} s"
    )
    yield from (f"away: somebody was without a connection for {each:.1f} s" for each in lengths if each > AWAY_SECONDS)
    for drain in drains:
        left = [began for began, _ in all_absences if drain.began <= began < drain.ended]
        yield from _told_about_spread(drain, left)


def _told_about_spread(drain: Drain, left: Sequence[float]) -> Iterator[str]:
    """The histogram of one drain's leavers over its window, which begins when the first of them goes."""
    if not left:
        return
    parts = Counter(min(PARTS - 1, int((moment - min(left)) / _DRAIN_SECONDS * PARTS)) for moment in left)
    line = " ".join(str(parts[number]) for number in range(PARTS))
    print(f"{drain.how} {drain.gateway}: {len(left)} left, by tenths of {_DRAIN_SECONDS:g} s: {line}", flush=True)
    if len(left) >= ENOUGH_TO_JUDGE and max(parts.values()) > LARGEST_SHARE * len(left):
        yield f"away: {max(parts.values())} of {len(left)} left {drain.gateway} within one tenth of its window"
