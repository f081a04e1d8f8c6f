"""One soak: start a WedSync, load it, hurt it, heal it, kill it twice more at rest, then check everything.

The form of the issue, the form of CI and the self-tests are all this function with other options.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from bench.installation import Installation, Site
from bench.soak import nemeses
from bench.soak.altered import Alteration
from bench.soak.checks import everything
from bench.soak.crowd import Crowd, gathered
from bench.soak.history import Heads, History, Stored
from bench.soak.members import LEVEL_SECONDS, soak_wedding
from bench.soak.nemeses import Blow
from bench.soak.rare import Figures, reached
from bench.soak.recovery import recoveries, told
from bench.soak.reminders import fired_in, now_ms, silent, until_nothing_is_armed
from bench.soak.report import counts, errors_in, heading, verdict
from bench.soak.stored import decisions_of, heads_of, misdone, moved, proofs_of, until_intake_is_empty
from bench.soak.strike import Nemesis
from bench.soak.ways import Ways
from bench.wedding_load import found_weddings
from config.settings import Settings
from config.supervision.servers import running_servers

#: The last fault comes so long before the end of the load, so that the load meets what is left of it.
LAST_FAULT_BEFORE_END_SECONDS: Final = 5.0
#: How wrong a clock may be; half of the processes have a right one.
SKEWS_SECONDS: Final = ((0.0, 0.0), (0.0, 0.0), (-5.0, 5.0), (-3600.0, 3600.0))


class Options(NamedTuple):
    """What may be chosen; `kills` None: as many as the length asks for. `broken` names a way of `broken.alter`."""

    seed: int
    seconds: float = 180.0
    kills: int | None = None
    weddings: int = 20
    members: int = 4
    hosts: int = 3
    gateways: int = 2
    rate: float = 60.0
    publishers: int = 1
    healed_seconds: float = 60.0
    rest: bool = True
    broken: str = ""
    blows: Sequence[Blow] | None = None
    shown: int = 60
    clients: int = 50
    cases: int = 20_000


class Outcome(NamedTuple):
    """What a soak found: how many offences of each kind, and how many ops were asked."""

    offences: Counter[str]
    asked: int


def skews(seed: int, processes: Sequence[str]) -> dict[str, float]:
    """Draw how many seconds each process's clock is ahead."""
    draw = random.Random(f"skews {seed}")
    return {process: round(draw.uniform(*draw.choice(SKEWS_SECONDS)), 1) for process in processes}


def _say(line: str) -> None:
    print(line, flush=True)


async def run_soak(folder: Path, options: Options, tell: Callable[[str], None] = _say) -> Outcome:
    """Run it and tell how it went; the folder gets history, log and data."""
    processes = [f"host-{n + 1}" for n in range(options.hosts)] + [f"gateway-{n + 1}" for n in range(options.gateways)]
    ahead = skews(options.seed, processes)
    tell(heading(options.seed, options.seconds, options.rate, ahead))
    installation = Installation(folder, gateways=options.gateways, hosts=options.hosts, environment={"WEDSYNC_LOG_LEVEL": "info"})
    history = History(folder / "history.jsonl")
    async with Ways(installation.data, processes) as ways:
        installation.command = Alteration(ways.ports(), ahead, options.broken).command()
        async with installation:
            nemesis = Nemesis(installation, ways, history.now)
            figures = Figures(installation.site)
            asking = asyncio.create_task(figures.run())
            actors, copies, stored, differences = await _live(installation, history, nemesis, options)
            asking.cancel()
    history.close()
    tell(counts(history.entries, nemesis.struck, len(_blows(options)), len(stored), fired_in(stored)))
    hosts = [process for process in processes if process.startswith("host")]
    if nemesis.failed_starts:
        tell(f"`wedsync up` gave up {nemesis.failed_starts} times when everything was started again")
    tell(told(recoveries(history.entries, nemesis.struck, hosts, Settings.model_fields["partitions"].default)))
    tell(reached(figures.totals(), installation.log_path))
    tell(errors_in(installation.log_path))
    offences = everything(history.entries, stored, actors, copies) + differences
    tell(verdict(offences, options.seed, history.path, options.shown))
    asked = sum(entry.kind == "invoke" for entry in history.entries)
    return Outcome(Counter(offence.partition(":")[0] for offence in offences), asked)


def _blows(options: Options) -> Sequence[Blow]:
    if options.blows is not None:
        return options.blows
    return nemeses.schedule(options.seed, options.seconds - LAST_FAULT_BEFORE_END_SECONDS, options.kills)


Findings = tuple[list[Heads], list[Heads], list[Stored], list[str]]


async def _live(installation: Installation, history: History, nemesis: Nemesis, options: Options) -> Findings:
    """Everything between the start and the end of the installation."""
    site = installation.site
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        plans = await found_weddings(site, options.weddings, options.members, soak_wedding(), prefix="soak")
        weddings = sorted({plan.wedding for plan in plans})
        async with gathered(history, site, plans, session) as crowd:
            until = time.monotonic() + options.seconds
            working = asyncio.create_task(
                crowd.work(
                    options.seed,
                    options.rate,
                    lambda: time.monotonic() >= until,
                    patience_seconds=options.healed_seconds,
                    publishers=options.publishers,
                )
            )
            await nemesis.rage(_blows(options))
            await working
            await crowd.answered(options.healed_seconds)
            if installation.has_ended:
                async with running_servers(site.data):
                    stored = await decisions_of(site, weddings)
                return [], [], stored, ["proof: `wedsync up` ended by itself, see up.log"]
            await until_intake_is_empty(site, options.healed_seconds)
            # What comes due later may find everything killed once more, and need not have fired when we look.
            due_ms = now_ms()
            differences = await until_nothing_is_armed(site, options.healed_seconds)
            actors, unknown = await heads_of(site, weddings, options.healed_seconds)
            differences += unknown + await proofs_of(site, actors)
            if options.rest:
                actors, more = await _at_rest(nemesis, installation, actors, weddings, options)
                differences += more
            copies = await copies_of(crowd, actors)
            stored = await decisions_of(site, weddings)
            differences += silent(stored, due_ms) + await misdone(site, weddings, history.entries)
            differences += [offence for member in crowd.members for offence in member.mismatches()]
    return actors, copies, stored, differences


async def _at_rest(
    nemesis: Nemesis, installation: Installation, actors: list[Heads], weddings: Sequence[str], options: Options
) -> tuple[list[Heads], list[str]]:
    """With nobody writing, other owners and a start of everything must come to the same digests."""
    site, differences = installation.site, []
    for name, blows in (
        ("every host was killed", [Blow(0.0, nemeses.KILL, "host", number) for number in range(options.hosts)]),
        ("everything was killed", [Blow(0.0, nemeses.EVERYTHING)]),
    ):
        for blow in blows:
            await nemesis.strike(blow)
        later, unknown = await heads_of(site, weddings, options.healed_seconds)
        differences += unknown + moved(actors, later, name)
        actors = later
    return actors, differences


async def at_the_end(
    crowd: Crowd, site: Site, weddings: Sequence[str], options: Options
) -> tuple[list[Heads], list[Heads], list[str]]:
    """Wait until nothing is under way; tell where the actors and where everybody else stand, and what did not come to an end."""
    await until_intake_is_empty(site, options.healed_seconds)
    differences = await until_nothing_is_armed(site, options.healed_seconds)
    actors, unknown = await heads_of(site, weddings, options.healed_seconds)
    return actors, await copies_of(crowd, actors), differences + unknown


async def copies_of(crowd: Crowd, actors: Sequence[Heads]) -> list[Heads]:
    """Wait until everybody stands where the actors do, and tell where everybody stands."""
    channels = {heads.wedding: heads.channels for heads in actors}
    known = [member for member in crowd.members if member.client.wedding in channels]
    return await asyncio.gather(*(member.level(channels[member.client.wedding], LEVEL_SECONDS) for member in known))
