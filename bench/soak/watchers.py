"""Bare watchers of the wire: they note every frame as it comes and resume where they stood; some may read little.

Beside what a frame says of itself, the marks in its bytes are noted: what somebody may not read must not be among them.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import aiohttp
from msgspec.structs import replace

from actors.contract.client_frames import Resume
from bench.installation import Site
from bench.soak.history import MARK, Entry, History
from bench.wedding_load import MemberPlan
from gateway.client import Connection, ConnectionClosed

RETRY_SECONDS: Final = 1.0


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
                self._note_marks(frame)
                if frame["type"] in ("synced", "collaboration_event"):
                    self._resume = Resume(generation, dict(self._stands))
        finally:
            await connection.close()

    def _note(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "welcome":
            self._stands = {name: stands for name, stands in self._stands.items() if name in frame["channels"]}
        if frame["type"] == "withdrawn":
            self._stands.pop(frame["channel"], None)
        sync_end = frame["sequence"] if frame["type"] == "data_sync" else 0
        for event in frame.get("events", ()):
            self._told("event", event["channel"], event["sequence"], event["id"], sync_end)
        if frame["type"] == "data_sync" and frame["mode"] == "snapshot":
            self._told("sync", frame["channel"], frame["sequence"])

    def _told(self, kind: Any, channel: str, sequence: int, op: str = "", sync_end: int = 0) -> None:
        self._stands[channel] = sequence
        now, wedding, person = self._history.now(), self._plan.wedding, self._plan.user
        told = Entry(now, wedding, f"watcher {person}", kind, op=op, channel=channel, sequence=sequence)
        self._history.add(replace(told, person=person, sync_end=sync_end))

    def _note_marks(self, frame: dict[str, Any]) -> None:
        """Every mark anywhere in the frame, whatever the frame says that it is about."""
        marks = tuple(dict.fromkeys(MARK.findall(json.dumps(frame))))
        if marks:
            history, plan = self._history, self._plan
            name = f"watcher {plan.user}"
            history.add(Entry(history.now(), plan.wedding, name, "seen", person=plan.user, marks=marks))
