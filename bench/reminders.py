"""Many reminders in one minute: armed through sockets, heard in the inboxes of open clients, counted in what is stored.

Tells how late they come, from the time that a task names to the inbox of its assignee. Each must come exactly once, and none
before its time.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp

from actors.contract.events import Event, instant_of
from bench.installation import Installation, Site
from bench.wedding_load import MemberPlan, found_weddings
from bench.witness import stored_decisions
from gateway.client import Client

REMINDERS: Final = 10_000
#: From the first op to the first time that a task names: all are armed by then.
AHEAD_SECONDS: Final = 60.0
#: What may pass after the last time until every reminder has come.
GRACE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.25


class Inbox:
    """One member's open client: what reminded it, and how many seconds after its time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.late: dict[str, float] = {}
        self._due: dict[str, float] = {}
        client.listening.on_event.append(self._hear)

    def _hear(self, event: Event) -> None:
        if event.channel == f"inbox.{self.client.user}":
            for change in event.data.changes:
                task = str(change.insert["matter"]) if isinstance(change.insert, dict) else ""
                self.late[task] = time.time() - self._due[task]

    async def arm(self, count: int, first: float, window_seconds: float) -> None:
        """Insert tasks whose times are spread over the window."""
        for number in range(count):
            due = first + window_seconds * number / count
            self._due[f"r{number}"] = due
            item = {"title": f"Reminder {number}", "remindAt": instant_of(int(due * 1000)), "assignee": self.client.user}
            outcome = await self.client.insert("tasks", f"r{number}", item).outcome()
            if not outcome.applied:
                raise RuntimeError(f"{self.client.wedding}: {outcome}")


async def run_reminders(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Arm, wait, count."""
    each = REMINDERS // options.weddings
    async with (
        Installation(folder, environment={"WEDSYNC_LOG_LEVEL": "warning"}) as installation,
        aiohttp.ClientSession() as session,
    ):
        plans = await found_weddings(installation.site, options.weddings, 1, {}, prefix="remind")
        async with AsyncExitStack() as stack:
            inboxes = [await _open(stack, installation.site, session, plan) for plan in plans]
            began = time.time()
            first = began + AHEAD_SECONDS
            await asyncio.gather(*(inbox.arm(each, first, options.seconds) for inbox in inboxes))
            armed_seconds = time.time() - began
            ends = first + options.seconds + GRACE_SECONDS
            while sum(len(inbox.late) for inbox in inboxes) < each * len(inboxes) and time.time() < ends:  # noqa: ASYNC110  # a bench looks now and then
                await asyncio.sleep(_LOOK_SECONDS)
        fired = Counter[tuple[str, str]]()
        for plan in plans:
            decisions = await stored_decisions(installation.site, plan.wedding)
            fired.update((plan.wedding, decision.op) for decision in decisions if decision.source == "timer")
    return _report(inboxes, each * len(inboxes), fired, armed_seconds)


async def _open(stack: AsyncExitStack, site: Site, session: aiohttp.ClientSession, plan: MemberPlan) -> Inbox:
    return Inbox(await stack.enter_async_context(Client(site.url, plan.wedding, plan.token, session=session)))


def _report(inboxes: list[Inbox], wanted: int, fired: Counter[tuple[str, str]], armed_seconds: float) -> dict[str, Any]:
    late = sorted(seconds for inbox in inboxes for seconds in inbox.late.values())
    parts = {name: late[min(len(late) - 1, int(len(late) * part))] for name, part in _PARTS} if late else {}
    report = {
        "reminders": wanted,
        "armed_seconds": armed_seconds,
        "lost": wanted - len(fired),
        "unheard": wanted - len(late),
        "twice": sum(fired.values()) - len(fired),
        "late_seconds": parts,
    }
    figures = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in parts.items())
    print(f"{wanted} reminders armed in {armed_seconds:.1f} s: {report['lost']} lost, {report['twice']} twice; late by {figures}")
    return report | {"passed": not (report["lost"] or report["twice"] or report["unheard"])}


_PARTS: Final = (("least", 0.0), ("p50", 0.5), ("p99", 0.99), ("most", 1.0))
