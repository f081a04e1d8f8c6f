"""The members of a soak: people with the Python client, who edit at a rate and now and then get other roles.

Everything they ask and are told goes into the history, also when they lose their connection and when they are up to date again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import aiohttp

from actors.contract.events import Event, instant_of
from bench.installation import Site
from bench.soak.history import Entry, Heads, History
from bench.wedding_load import MemberPlan, small_wedding
from gateway.client import Client, ClientError, Pending, QueueFull
from gateway.client.replica import SyncReport

FIELD: Final = {"tasks": "title", "guests": "meal", "tables": "name", "budget": "category"}
INSERTED: Final = 0.1
#: How many of the inserted tasks remind their author, and when.
REMINDED: Final = 0.5
REMINDED_AFTER_SECONDS: Final = (0.0, 4.0)
MOVED_TO_ANOTHER_CHANNEL: Final = 0.3
VISIBILITIES: Final = ("everyone", "team", "core")
ROLES_GIVEN: Final = ("vendor", "family", "planner")
TARGETS: Final = tuple((name, identifier) for name, entries in small_wedding().items() for identifier in entries)
LEVEL_SECONDS: Final = 15.0
_FOR_EVER_SECONDS: Final = 1e9


class Member:
    """One person with the Python client."""

    def __init__(self, history: History, site: Site, plan: MemberPlan, session: aiohttp.ClientSession) -> None:
        self.client = Client(site.url, plan.wedding, plan.token, session=session)
        self.name = plan.user
        self._history = history
        self._watching: set[asyncio.Task[None]] = set()
        self.client.listening.on_event.append(self._heard)
        self.client.listening.on_sync.append(self._synced)

    def _heard(self, event: Event) -> None:
        self._told("event", event.channel, event.sequence, event.id)

    def _synced(self, report: SyncReport) -> None:
        if report.snapshot:
            self._told("sync", report.channel, self.client.sequences()[report.channel])

    def _told(self, kind: Any, channel: str, sequence: int, op: str = "") -> None:
        history = self._history
        history.add(Entry(history.now(), self.client.wedding, self.name, kind, op=op, channel=channel, sequence=sequence))

    async def follow_connection(self) -> None:
        """Note when the connection is lost and when everything is up to date again, until cancelled."""
        client, history = self.client, self._history
        with suppress(ClientError):
            while True:
                await client.until(lambda: not client.is_synced, within_seconds=_FOR_EVER_SECONDS)
                history.note(client.wedding, self.name, "away")
                await client.until(lambda: client.is_synced, within_seconds=_FOR_EVER_SECONDS)
                history.note(client.wedding, self.name, "back")

    def edit(self, draw: random.Random, mark: str) -> None:
        """Ask for one change that carries the mark."""
        collection, identifier = draw.choice(TARGETS)
        data = {FIELD.get(collection, "notes"): mark}
        if draw.random() < INSERTED:
            task: dict[str, Any] = {"title": mark, "done": False}
            if draw.random() < REMINDED:
                due = time.time() + draw.uniform(*REMINDED_AFTER_SECONDS)
                task |= {"remindAt": instant_of(int(due * 1000)), "assignee": self.name}
            self._ask(mark, lambda: self.client.insert("tasks", mark, task))
            return
        if collection == "timeline" and draw.random() < MOVED_TO_ANOTHER_CHANNEL:
            data["visibility"] = draw.choice(VISIBILITIES)
        self._ask(mark, lambda: self.client.update(collection, identifier, data))

    def give_role(self, person: str, role: str, mark: str) -> None:
        """Make somebody else something else, which gives and takes channels."""
        self._ask(mark, lambda: self.client.update("people", person, {"role": role, "name": mark}))

    def _ask(self, mark: str, ask: Callable[[], Pending]) -> None:
        history, wedding = self._history, self.client.wedding
        history.note(wedding, self.name, "invoke", mark=mark)
        try:
            pending = ask()
        except QueueFull:
            history.note(wedding, self.name, "rejected", mark=mark, code="queue_full")
            return
        watch = asyncio.create_task(self._follow(pending, mark))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _follow(self, pending: Pending, mark: str) -> None:
        history, wedding = self._history, self.client.wedding
        try:
            if await pending.saved():
                history.note(wedding, self.name, "saved", mark=mark, op=f"{self.client.client}:{pending.number}")
            outcome = await pending.outcome()
        except asyncio.CancelledError:
            history.note(wedding, self.name, "unknown", mark=mark, op=f"{self.client.client}:{pending.number}")
            raise
        if outcome.applied:
            holds = self.client.sequences()
            history.add(Entry(history.now(), wedding, self.name, "applied", mark, outcome.op, holds=holds))
        else:
            history.note(wedding, self.name, "rejected", mark=mark, op=outcome.op, code=outcome.code)

    async def answered(self, within_seconds: float) -> None:
        """Wait for every answer; what stays without one is noted as unknown."""
        if self._watching:
            await asyncio.wait(self._watching, timeout=within_seconds)
        left = list(self._watching)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def mismatches(self) -> list[str]:
        """The offence of having been wrong on the way, though a sync has mended it since."""
        count = self.client.mismatches
        return [f"apart: {self.client.wedding} {self.name} had another digest than the server {count} times"] if count else []

    async def level(self, channels: dict[str, tuple[int, str]], within_seconds: float) -> Heads:
        """Wait until this copy stands where the actor does, then tell where it stands."""
        wanted = {name: sequence for name, (sequence, _) in channels.items() if not name.startswith("inbox.")}
        with suppress(ClientError):
            await self.client.until(
                lambda: self.client.is_synced and self.client.sequences() == wanted, within_seconds=within_seconds
            )
        digests = self.client.digests()
        held = {name: (sequence, digests[name]) for name, sequence in self.client.sequences().items()}
        return Heads(self.client.wedding, self.name, {**dict.fromkeys(wanted, (0, "missing")), **held})


async def offer(members: Sequence[Member], seed: int, rate: float, is_over: Callable[[], bool]) -> int:
    """Let random members edit at a rate; returns how many ops were asked."""
    draw, began, number = random.Random(seed), time.monotonic(), 0
    while not is_over():
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        number += 1
        draw.choice(members).edit(draw, f"s{seed}-{number}")
    return number


async def shuffle_roles(members: Sequence[Member], seed: str, is_over: Callable[[], bool], pause_seconds: float) -> None:
    """Let the first member of one wedding give its last one other roles, and in the end the right to read everything again."""
    draw, giver, taker, number = random.Random(seed), members[0], members[-1], 0
    while not is_over():
        number += 1
        giver.give_role(taker.name, draw.choice(ROLES_GIVEN), f"{seed}-{number}")
        await asyncio.sleep(draw.uniform(0.0, 2 * pause_seconds))
    giver.give_role(taker.name, "planner", f"{seed}-0")
