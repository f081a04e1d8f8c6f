"""The clients of a soak: members over WebSockets, some over HTTP, one integrator over NATS, and bare watchers of the wire.

Everything they ask and are told goes into the history. They follow the protocol: what has no answer is sent again under its id.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import nats
import nats.errors
from nats.aio.client import Client as NatsClient

from actors.contract.client_frames import Resume
from actors.contract.collections import COLLECTIONS
from actors.contract.events import Event
from bench.installation import Site
from bench.soak.history import Entry, Heads, History
from bench.wedding_load import MemberPlan, small_wedding
from gateway.client import Client, Connection, ConnectionClosed, NotReached, Pending, QueueFull
from gateway.client.replica import SyncReport

FIELD: Final = {"tasks": "title", "guests": "meal", "tables": "name", "budget": "category"}
INSERTED: Final = 0.1
MOVED_TO_ANOTHER_CHANNEL: Final = 0.3
VISIBILITIES: Final = ("everyone", "team", "core")
ROLES_GIVEN: Final = ("vendor", "family", "planner")
TARGETS: Final = tuple((name, identifier) for name, entries in small_wedding().items() for identifier in entries)
RETRY_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 10.0
#: Answers that say: not judged, ask again.
_AGAIN: Final = frozenset({409, 429, 503})
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=ANSWER_SECONDS)


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

    def edit(self, draw: random.Random, mark: str) -> None:
        """Ask for one change that carries the mark."""
        collection, identifier = draw.choice(TARGETS)
        data = {FIELD.get(collection, "notes"): mark}
        if draw.random() < INSERTED:
            self._ask(mark, lambda: self.client.insert("tasks", mark, {"title": mark, "done": False}))
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
        with suppress(NotReached):
            await self.client.until(
                lambda: self.client.is_synced and self.client.sequences() == wanted, within_seconds=within_seconds
            )
        digests = self.client.digests()
        held = {name: (sequence, digests[name]) for name, sequence in self.client.sequences().items()}
        return Heads(self.client.wedding, self.name, {**dict.fromkeys(wanted, (0, "missing")), **held})


class Poster:
    """One person over HTTP: numbers its ops itself and posts the same one until it is answered."""

    def __init__(self, history: History, site: Site, plan: MemberPlan, session: aiohttp.ClientSession) -> None:
        self._history, self._site, self._plan, self._session = history, site, plan, session
        self._headers = {"Authorization": f"Bearer {plan.token}"}
        self.name = f"{plan.user} over HTTP"

    async def run(self, seed: str, until: float, pause_seconds: float) -> None:
        """Post one op after the other."""
        client = (await self._until_answered("join", {}))["client"]
        draw, number = random.Random(seed), 1
        while time.monotonic() < until:
            mark = f"{seed}-{number}"
            number += await self._post(f"{client}:{number}", draw, mark)
            await asyncio.sleep(pause_seconds)

    async def _post(self, op: str, draw: random.Random, mark: str) -> int:
        collection, identifier = draw.choice(TARGETS)
        body = {
            "id": op,
            "type": COLLECTIONS[collection].type,
            "action": "update",
            "target": {"collection": collection, "id": identifier},
            "data": {FIELD.get(collection, "notes"): mark},
        }
        history, wedding = self._history, self._plan.wedding
        history.note(wedding, self.name, "invoke", mark=mark)
        answer = await self._until_answered("events", body)
        if "code" in answer:
            history.note(wedding, self.name, "rejected", mark=mark, op=op, code=answer["code"])
            return int(answer.get("next", 0) > int(op.rpartition(":")[2]))
        history.note(wedding, self.name, "saved", mark=mark, op=op)
        if "sequences" in answer:
            history.note(wedding, self.name, "applied", mark=mark, op=op)
        return 1

    async def _until_answered(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self._site.url}/api/collaboration/{what}/{self._plan.wedding}"
        while True:
            try:
                async with self._session.post(url, json=body, headers=self._headers, timeout=_HTTP_TIMEOUT) as response:
                    if response.status not in _AGAIN:
                        answer: dict[str, Any] = await response.json(content_type=None)
                        return answer
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(RETRY_SECONDS)


class Integrator:
    """One program over NATS: publishes with a reply subject and names its ops, so that a repeat is taken once."""

    def __init__(self, history: History, wedding: str, url: str) -> None:
        self._history, self._wedding, self._url = history, wedding, url
        self.name = urlsplit(url).username or ""

    async def run(self, seed: str, until: float, pause_seconds: float) -> None:
        """Publish one op after the other."""
        connection = await nats.connect(
            self._url,
            inbox_prefix=f"_INBOX_{self.name}".encode(),
            error_cb=_ignore,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_SECONDS,
        )
        try:
            number = 0
            while time.monotonic() < until:
                number += 1
                await self._publish(connection, f"{seed}-{number}")
                await asyncio.sleep(pause_seconds)
        finally:
            await connection.close()

    async def _publish(self, connection: NatsClient, mark: str) -> None:
        target = {"collection": "tasks", "id": "task-1"}
        op = {"type": "task_completion", "action": "update", "target": target, "data": {"title": mark}}
        history, subject = self._history, f"wedding.{self._wedding}.op.{self.name}"
        history.note(self._wedding, self.name, "invoke", mark=mark)
        while True:
            try:
                reply = await connection.request(subject, json.dumps(op).encode(), timeout=2.0, headers={"Wedsync-Op-Id": mark})
            except (nats.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if "error" not in json.loads(reply.data):
                history.note(self._wedding, self.name, "queued", mark=mark, op=mark)
                return
            await asyncio.sleep(RETRY_SECONDS)


async def _ignore(_: Exception) -> None:
    """Losing the server is what this is about."""


class Watcher:
    """A bare socket that notes every frame as it comes on the wire, and resumes where it stood."""

    def __init__(self, history: History, site: Site, plan: MemberPlan, session: aiohttp.ClientSession) -> None:
        self._history, self._site, self._plan, self._session = history, site, plan, session
        self._resume: Resume | None = None
        self._stands: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._one_connection()
            except ConnectionClosed:
                await asyncio.sleep(RETRY_SECONDS)

    async def _one_connection(self) -> None:
        connection = await Connection.open(self._session, self._site.url)
        generation = 0
        try:
            await connection.hello(self._plan.wedding, self._plan.token, resume=self._resume)
            while True:
                frame = await connection.receive()
                generation = frame.get("generation", generation)
                self._note(frame)
                if frame["type"] in ("synced", "collaboration_event"):
                    self._resume = Resume(generation, dict(self._stands))
        finally:
            await connection.close()

    def _note(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "welcome":
            self._stands = {name: stands for name, stands in self._stands.items() if name in frame["channels"]}
        if frame["type"] == "withdrawn":
            self._stands.pop(frame["channel"], None)
        for event in frame.get("events", ()):
            self._told("event", event["channel"], event["sequence"], event["id"])
        if frame["type"] == "data_sync" and frame["mode"] == "snapshot":
            self._told("sync", frame["channel"], frame["sequence"])

    def _told(self, kind: Any, channel: str, sequence: int, op: str = "") -> None:
        self._stands[channel] = sequence
        history, name = self._history, f"watcher {self._plan.user}"
        history.add(Entry(history.now(), self._plan.wedding, name, kind, op=op, channel=channel, sequence=sequence))


async def offer(members: Sequence[Member], seed: int, rate: float, until: float) -> int:
    """Let random members edit at a rate; returns how many ops were asked."""
    draw, began, number = random.Random(seed), time.monotonic(), 0
    while time.monotonic() < until:
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        number += 1
        draw.choice(members).edit(draw, f"s{seed}-{number}")
    return number


async def shuffle_roles(members: Sequence[Member], seed: str, until: float, pause_seconds: float) -> None:
    """Let the first member of one wedding give its last one other roles, and in the end the right to read everything again."""
    draw, giver, taker, number = random.Random(seed), members[0], members[-1], 0
    while time.monotonic() < until:
        number += 1
        giver.give_role(taker.name, draw.choice(ROLES_GIVEN), f"{seed}-{number}")
        await asyncio.sleep(draw.uniform(0.0, 2 * pause_seconds))
    giver.give_role(taker.name, "planner", f"{seed}-end")
