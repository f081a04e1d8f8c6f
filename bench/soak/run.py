"""One soak: start a WedSync, load it, hurt it, heal it, wait until everybody agrees or time is up, then check everything."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from bench.installation import Installation, Site
from bench.soak.checks import everything
from bench.soak.history import History
from bench.soak.load import Integrator, Member, Poster, Watcher, offer, shuffle_roles
from bench.soak.nemeses import Blow, rage, schedule
from bench.soak.report import counts, errors_in, heading, verdict
from bench.soak.stored import decisions_of, standings
from bench.wedding_load import MemberPlan, found_weddings, small_wedding

HEALED_SECONDS: Final = 60.0
LEVEL_SECONDS: Final = 15.0
POST_PAUSE_SECONDS: Final = 0.2
ROLE_PAUSE_SECONDS: Final = 2.0
POSTERS: Final = 3
#: The supervisor starts what was killed within this time after the last fault.
_LAST_FAULT_BEFORE_END_SECONDS: Final = 5.0


class Options(NamedTuple):
    """What may be chosen on the command line."""

    seed: int
    seconds: float
    weddings: int
    members: int
    hosts: int
    gateways: int
    rate: float
    keep: bool


class Crowd(NamedTuple):
    """Everybody who takes part."""

    members: Sequence[Member]
    posters: Sequence[Poster]
    integrator: Integrator
    watchers: Sequence[Watcher]


async def run_soak(folder: Path, options: Options) -> int:
    """Run it and print; returns how many offences there are."""
    print(heading(options.seed, options.seconds, options.rate), flush=True)
    installation = Installation(folder, gateways=options.gateways, hosts=options.hosts, environment={"WEDSYNC_LOG_LEVEL": "info"})
    history_path = folder / "history.jsonl"
    history = History(history_path)
    async with installation, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        site = installation.site
        plans = await found_weddings(site, options.weddings, options.members, small_wedding(), prefix="soak")
        crowd = await _gather(history, site, plans, session)
        watching = [asyncio.create_task(watcher.run()) for watcher in crowd.watchers]
        drawn = schedule(options.seed, options.seconds - _LAST_FAULT_BEFORE_END_SECONDS)
        blows = await _storm(site, crowd, options, drawn)
        await asyncio.gather(*(member.answered(HEALED_SECONDS) for member in crowd.members))
        weddings = sorted({plan.wedding for plan in plans})
        actors, differences = await standings(site, weddings)
        channels = {heads.wedding: heads.channels for heads in actors}
        copies = await asyncio.gather(*(member.level(channels[member.client.wedding], LEVEL_SECONDS) for member in crowd.members))
        stored = await decisions_of(site, weddings)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, *(member.client.close() for member in crowd.members), return_exceptions=True)
    history.close()
    differences += [offence for member in crowd.members for offence in member.mismatches()]
    print(counts(history.entries, blows, len(drawn), len(stored)))
    print(errors_in(installation.log_path))
    offences = everything(history.entries, stored, actors, copies) + differences
    print(verdict(offences, options.seed, history_path), flush=True)
    return len(offences)


async def _gather(history: History, site: Site, plans: Sequence[MemberPlan], session: aiohttp.ClientSession) -> Crowd:
    members = [Member(history, site, plan, session) for plan in plans]
    await asyncio.gather(*(member.client.connect() for member in members))
    first = {plan.wedding: plan for plan in reversed(plans)}
    integrator = Integrator(history, plans[0].wedding, await _credentials(site, plans[0].wedding))
    last = {plan.wedding: plan for plan in plans}
    watchers = [Watcher(history, site, plan, session) for plan in last.values()]
    return Crowd(members, [Poster(history, site, plan, session) for plan in list(first.values())[:POSTERS]], integrator, watchers)


async def _credentials(site: Site, wedding: str) -> str:
    command = ["integrator", "--data", str(site.data.path), "--wedding", wedding, "--id", "florist", "--role", "planner"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "config.cli.app", *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().strip()


async def _storm(site: Site, crowd: Crowd, options: Options, drawn: list[Blow]) -> list[Blow]:
    """Load and faults together; returns the faults that were done."""
    until = time.monotonic() + options.seconds
    seed = options.seed
    faults = asyncio.create_task(rage(site, drawn))
    others = [
        *(poster.run(f"s{seed}-http-{number}", until, POST_PAUSE_SECONDS) for number, poster in enumerate(crowd.posters)),
        *(
            shuffle_roles(members, f"s{seed}-roles-{number}", until, ROLE_PAUSE_SECONDS)
            for number, members in enumerate(_by_wedding(crowd.members))
        ),
        crowd.integrator.run(f"s{seed}-nats", until, POST_PAUSE_SECONDS),
    ]
    working = asyncio.gather(*others)
    await offer(crowd.members, seed, options.rate, until)
    done = await faults
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(working, HEALED_SECONDS)
    return done


def _by_wedding(members: Sequence[Member]) -> list[list[Member]]:
    weddings: dict[str, list[Member]] = {}
    for member in members:
        weddings.setdefault(member.client.wedding, []).append(member)
    return list(weddings.values())
