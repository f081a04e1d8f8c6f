"""The members of a soak: people with the Python client, who edit at a rate and now and then get other roles.

Everything they ask and are told goes into the history, also when they lose their connection and when they are up to date again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

import aiohttp

from actors.contract.collections import COLLECTIONS
from actors.contract.events import Event, instant_of
from bench.installation import Site
from bench.soak.history import Entry, Heads, History
from bench.wedding_load import Items, MemberPlan, small_wedding
from gateway.client import Client, ClientError, NotUndone, Pending, QueueFull
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
#: The document that everybody types in; what they put in are whole words, each ending with a space.
VOWS: Final = "vows"
LEVEL_SECONDS: Final = 15.0
#: Of so many of their own last ops members take one back.
_REMEMBERED: Final = 8
_RETRY_SECONDS: Final = 0.5
#: Answers about an undo that say something about the op; any other is asked again.
_FINAL: Final = frozenset({"not_found", "not_allowed", "bad_token", "bad_frame"})
_FOR_EVER_SECONDS: Final = 1e9


def soak_wedding() -> Items:
    """What stands in each wedding at first."""
    return {**small_wedding(), "documents": {VOWS: {"title": "Vows", "text": "Once "}}}


class Member:
    """One person with the Python client."""

    def __init__(self, history: History, site: Site, plan: MemberPlan, session: aiohttp.ClientSession) -> None:
        self.client = Client(site.url, plan.wedding, plan.token, session=session)
        self.name = plan.user
        #: The last ops of ours that were applied, the highest number that was sent, and the one that others wait for.
        self.applied: deque[str] = deque(maxlen=_REMEMBERED)
        self.highest = 0
        self.promised = 0
        self._history = history
        self._typing: Pending | None = None
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
            self.ask(mark, lambda: self.client.insert("tasks", mark, task))
            return
        if collection == "timeline" and draw.random() < MOVED_TO_ANOTHER_CHANNEL:
            data["visibility"] = draw.choice(VISIBILITIES)
        self.ask(mark, lambda: self.client.update(collection, identifier, data))

    @property
    def is_typing(self) -> bool:
        """Whether an edit of the text has no answer yet."""
        return self._typing is not None and not self._typing.done

    def edit_text(self, delta: Sequence[Mapping[str, Any]]) -> Pending:
        """Change the text as we hold it."""
        self._typing = self.client.edit("document_edit", "edit", "documents", VOWS, {"delta": delta}, field="text")
        return self._typing

    def change(self, collection: str, identifier: str, data: Mapping[str, Any], dependencies: Sequence[str] = ()) -> Pending:
        """Update an item after the named ops."""
        op_type = COLLECTIONS[collection].type
        return self.client.edit(op_type, "update", collection, identifier, data, dependencies=dependencies)

    def undo(self, mark: str, op: str) -> None:
        """Take an op of ours back."""
        self._history.note(self.client.wedding, self.name, "invoke", mark=mark)
        self._watch(self._undo(mark, op))

    async def _undo(self, mark: str, op: str) -> None:
        history, wedding = self._history, self.client.wedding
        answers: list[dict[str, Any]] = []
        try:
            while not answers:
                try:
                    answers = (await self.client.undo(op)).undone or [{"code": "nothing_left"}]
                except NotUndone as error:
                    if (code := str(error).partition(":")[0]) in _FINAL:
                        answers = [{"code": code}]
                    await asyncio.sleep(_RETRY_SECONDS)
        except asyncio.CancelledError:
            history.note(wedding, self.name, "unknown", mark=mark)
            raise
        for answer in answers:
            if "code" in answer:
                history.note(wedding, self.name, "rejected", mark=mark, code=answer["code"])
            else:
                self.applied.append(answer["op"])
                history.note(wedding, self.name, "applied" if "sequences" in answer else "saved", mark=mark, op=answer["op"])

    def give_role(self, person: str, role: str, mark: str) -> None:
        """Make somebody else something else, which gives and takes channels."""
        self.ask(mark, lambda: self.client.update("people", person, {"role": role, "name": mark}))

    def ask(self, mark: str, ask: Callable[[], Pending], asks: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Queue an op and follow it; `asks` is what it wants beside writing its mark."""
        history, wedding = self._history, self.client.wedding
        history.add(Entry(history.now(), wedding, self.name, "invoke", mark, asks=dict(asks)))
        try:
            pending = ask()
        except QueueFull:
            history.note(wedding, self.name, "rejected", mark=mark, code="queue_full")
            return
        self._watch(self._follow(pending, mark))

    def _watch(self, following: Coroutine[Any, Any, None]) -> None:
        watch = asyncio.create_task(following)
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _follow(self, pending: Pending, mark: str) -> None:
        history, wedding = self._history, self.client.wedding
        try:
            if await pending.saved():
                history.note(wedding, self.name, "saved", mark=mark, op=f"{self.client.client}:{pending.number}")
                self.highest = max(self.highest, pending.number)
            outcome = await pending.outcome()
        except asyncio.CancelledError:
            history.note(wedding, self.name, "unknown", mark=mark, op=f"{self.client.client}:{pending.number}")
            raise
        if outcome.applied:
            holds = self.client.sequences()
            self.applied.append(outcome.op)
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


async def shuffle_roles(members: Sequence[Member], seed: str, is_over: Callable[[], bool], pause_seconds: float) -> None:
    """Let the first member of one wedding give its last one other roles, and in the end the right to read everything again."""
    draw, giver, taker, number = random.Random(seed), members[0], members[-1], 0
    while not is_over():
        number += 1
        giver.give_role(taker.name, draw.choice(ROLES_GIVEN), f"{seed}-{number}")
        await asyncio.sleep(draw.uniform(0.0, 2 * pause_seconds))
    giver.give_role(taker.name, "planner", f"{seed}-0")
