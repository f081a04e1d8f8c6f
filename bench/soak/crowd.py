"""Everybody who takes part in a soak: who they are, how they are brought together, and what they all do at once.

Each wedding has members who read everything, one whose role changes, and people of small rights who only watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import aiohttp

from bench.installation import Site
from bench.soak.deeds import offer
from bench.soak.entrances import Integrator, Poster
from bench.soak.history import History
from bench.soak.members import Member, shuffle_roles
from bench.soak.watchers import Watcher
from bench.wedding_load import MemberPlan

POST_PAUSE_SECONDS: Final = 0.2
ROLE_PAUSE_SECONDS: Final = 2.0
POSTERS: Final = 3
#: Roles of those who watch without much right, one of them in each wedding.
SMALL_ROLES: Final = ("guest", "vendor", "family", "friend")


class Crowd(NamedTuple):
    """Everybody who takes part."""

    members: Sequence[Member]
    posters: Sequence[Poster]
    integrator: Integrator
    watchers: Sequence[Watcher]

    async def work(
        self, seed: int, rate: float, is_over: Callable[[], bool], *, patience_seconds: float, publishers: int
    ) -> None:
        """Ask for changes by every entrance until the time comes; who is slow is waited for."""
        weddings: dict[str, list[Member]] = {}
        for member in self.members:
            weddings.setdefault(member.client.wedding, []).append(member)
        others = [
            *(poster.run(f"s{seed}-http-{number}", is_over, POST_PAUSE_SECONDS) for number, poster in enumerate(self.posters)),
            *(
                shuffle_roles(members, f"s{seed}-roles-{number}", is_over, ROLE_PAUSE_SECONDS)
                for number, members in enumerate(weddings.values())
            ),
            *(
                self.integrator.run(f"s{seed}-nats-{number}", is_over, POST_PAUSE_SECONDS / publishers)
                for number in range(publishers)
            ),
        ]
        working = asyncio.gather(*others)
        await offer(self.members, seed, rate, is_over, patience_seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(working, patience_seconds)

    async def answered(self, within_seconds: float) -> None:
        """Wait for every answer."""
        await asyncio.gather(*(member.answered(within_seconds) for member in self.members))


@asynccontextmanager
async def gathered(
    history: History, site: Site, plans: Sequence[MemberPlan], session: aiohttp.ClientSession
) -> AsyncIterator[Crowd]:
    """Bring everybody together; at the end they go."""
    members = [Member(history, site, plan, session) for plan in plans]
    await asyncio.gather(*(member.client.connect() for member in members))
    first, last = {plan.wedding: plan for plan in reversed(plans)}, {plan.wedding: plan for plan in plans}
    small = await _invite(site, [member for member in members if member.name == first[member.client.wedding].user])
    crowd = Crowd(
        members,
        [Poster(history, site, plan, session) for plan in list(first.values())[:POSTERS]],
        Integrator(history, plans[0].wedding, await _credentials(site, plans[0].wedding)),
        [Watcher(history, site, plan, session) for plan in [*last.values(), *small]],
    )
    following = [
        asyncio.create_task(each) for each in (*(w.run() for w in crowd.watchers), *(m.follow_connection() for m in members))
    ]
    try:
        yield crowd
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, *(member.client.close() for member in members), return_exceptions=True)


async def _invite(site: Site, inviters: Sequence[Member]) -> list[MemberPlan]:
    """Let the first member of each wedding add somebody of small rights."""
    plans = []
    for number, inviter in enumerate(inviters):
        role = SMALL_ROLES[number % len(SMALL_ROLES)]
        user, wedding = f"{role}-1", inviter.client.wedding
        await inviter.client.insert("people", user, {"name": role.title(), "role": role}).outcome()
        plans.append(MemberPlan(wedding, user, site.token(user, wedding)))
    return plans


async def _credentials(site: Site, wedding: str) -> str:
    command = ["integrator", "--data", str(site.data.path), "--wedding", wedding, "--id", "florist", "--role", "planner"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "config.cli.app", *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().strip()
