"""The campaign of the bad network: clients behind a proxy that cuts, repeats and delays, two gateways, two hosts, nobody killed.

Every client must end with the actor's digests, and none may show a hole, a repeat or a step back. `python -m bench.soak proxy`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import aiohttp

from bench.installation import Installation, Site
from bench.soak.checks import everything
from bench.soak.crowd import ROLE_PAUSE_SECONDS
from bench.soak.deeds import offer
from bench.soak.frame_proxy import CUT, DELAYED, LATE, REPEATED, TORN, FrameProxy, Mischief
from bench.soak.history import Heads, History
from bench.soak.members import LEVEL_SECONDS, Member, shuffle_roles, soak_wedding
from bench.soak.reminders import fired_in, now_ms, silent, until_nothing_is_armed
from bench.soak.report import counts, errors_in, heading, verdict
from bench.soak.run import Options
from bench.soak.stored import decisions_of, heads_of, misdone, proofs_of
from bench.wedding_load import found_weddings

#: Members of one wedding: each op goes to five clients, each with a network of its own.
MEMBERS: Final = 5
_MUST_HAPPEN: Final = (CUT, TORN, LATE, REPEATED, DELAYED)


def _connector() -> aiohttp.TCPConnector:
    """A connection for each request: the proxy takes one that carried a plain request for nothing else afterwards."""
    return aiohttp.TCPConnector(limit=0, force_close=True)


async def run_proxied(folder: Path, options: Options) -> int:
    """Run it and print; returns how much is broken."""
    print(heading(options.seed, options.seconds, options.rate, {}), flush=True)
    installation = Installation(folder, gateways=2, hosts=2, environment={"WEDSYNC_LOG_LEVEL": "info"})
    history = History(folder / "history.jsonl")
    async with installation, aiohttp.ClientSession(connector=_connector()) as session:
        site = installation.site
        proxy = FrameProxy(installation.port, options.seed, Mischief())
        await proxy.open()
        try:
            plans = await found_weddings(site, -(-options.clients // MEMBERS), MEMBERS, soak_wedding(), prefix="soak")
            near = Site(f"http://127.0.0.1:{proxy.port}", site.data)
            members = [Member(history, near, plan, session) for plan in plans[: options.clients]]
            actors, copies, offences, due_ms = await _live(site, proxy, members, options)
        finally:
            await proxy.close()
        weddings = sorted({plan.wedding for plan in plans})
        stored = await decisions_of(site, weddings)
        offences += await misdone(site, weddings, history.entries)
    history.close()
    print(counts(history.entries, [], 0, len(stored), fired_in(stored)))
    print("network: " + ", ".join(f"{count} {name}" for name, count in sorted(proxy.counts.items())))
    print(errors_in(installation.log_path))
    offences += [f"unhurt: the network did none of this: {name}" for name in _MUST_HAPPEN if not proxy.counts[name]]
    offences += silent(stored, due_ms) + everything(history.entries, stored, actors, copies)
    print(verdict(offences, options.seed, history.path, options.shown), flush=True)
    return len(offences)


async def _live(
    site: Site, proxy: FrameProxy, members: Sequence[Member], options: Options
) -> tuple[list[Heads], list[Heads], list[str], int]:
    """Work through the bad network, then through a good one until every op has its answer; compare everybody.

    The number is the time until which every timer that came due must have fired, in Unix milliseconds.
    """
    following: list[asyncio.Task[None]] = []
    weddings = sorted({member.client.wedding for member in members})
    try:
        await asyncio.gather(*(member.client.connect(within_seconds=60.0) for member in members))
        following = [asyncio.create_task(member.follow_connection()) for member in members]
        await _work(members, options)
        proxy.calm()
        await asyncio.gather(*(member.answered(options.healed_seconds) for member in members))
        due_ms = now_ms()
        offences = await until_nothing_is_armed(site, options.healed_seconds)
        actors, unknown = await heads_of(site, weddings, options.healed_seconds)
        channels = {heads.wedding: heads.channels for heads in actors}
        copies = await asyncio.gather(*(m.level(channels[m.client.wedding], LEVEL_SECONDS) for m in members))
        offences += unknown + await proofs_of(site, actors)
        offences += [offence for member in members for offence in member.mismatches()]
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, *(member.client.close() for member in members), return_exceptions=True)
    return actors, copies, offences, due_ms


async def _work(members: Sequence[Member], options: Options) -> None:
    """Edit at the rate, and let one member of each wedding lose and gain channels."""
    until = time.monotonic() + options.seconds
    groups = [list(group) for _, group in groupby(members, key=lambda member: member.client.wedding)]
    await asyncio.gather(
        offer(members, options.seed, options.rate, lambda: time.monotonic() >= until, options.healed_seconds),
        *(
            shuffle_roles(group, f"s{options.seed}-roles-{number}", lambda: time.monotonic() >= until, ROLE_PAUSE_SECONDS)
            for number, group in enumerate(groups)
        ),
    )
