"""The clients of a soak that are no sockets: some people over HTTP and one integrator over NATS.

Everything they ask and are told goes into the history. What has no answer is sent again under its id.
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

from actors.contract.collections import COLLECTIONS
from bench.installation import Site
from bench.soak.history import Entry, History
from bench.soak.members import FIELD, TARGETS
from bench.wedding_load import MemberPlan

RETRY_SECONDS: Final = 0.3
#: A connection on which nothing was acknowledged for so long is made anew.
GIVE_UP_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 10.0
#: Answers that say: not judged, ask again.
_AGAIN: Final = frozenset({409, 429, 503})
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=ANSWER_SECONDS)


class Poster:
    """One person over HTTP: numbers its ops itself and posts the same one until it is answered."""

    def __init__(self, history: History, site: Site, plan: MemberPlan, session: aiohttp.ClientSession) -> None:
        self._history, self._site, self._plan, self._session = history, site, plan, session
        self._headers = {"Authorization": f"Bearer {plan.token}"}
        self.name = f"{plan.user} over HTTP"

    async def run(self, seed: str, is_over: Callable[[], bool], pause_seconds: float) -> None:
        """Post one op after the other."""
        client = (await self._until_answered("join", {}))["client"]
        draw, number = random.Random(seed), 1
        while not is_over():
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

    async def run(self, seed: str, is_over: Callable[[], bool], pause_seconds: float) -> None:
        """Publish one op after the other."""
        connection = await self._connect()
        try:
            number, is_awaited = 0, False
            while is_awaited or not is_over():
                number += 1
                # One op in four waits for the next one, and another names the one before it.
                is_awaited = number % 4 == 0
                named = [f"{seed}-{number + 1}"] if is_awaited else [f"{seed}-{number - 1}"] if number % 4 == 2 else []
                connection = await self._publish(connection, f"{seed}-{number}", named)
                await asyncio.sleep(pause_seconds)
        finally:
            await connection.close()

    async def _connect(self) -> NatsClient:
        return await nats.connect(
            self._url,
            inbox_prefix=f"_INBOX_{self.name}".encode(),
            error_cb=_ignore,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_SECONDS,
        )

    async def _publish(self, connection: NatsClient, mark: str, named: Sequence[str]) -> NatsClient:
        """Publish until it is queued; returns the connection of then, since one that nobody answers is made anew."""
        target = {"collection": "tasks", "id": "task-1"}
        op = {"type": "task_completion", "action": "update", "target": target, "data": {"title": mark}, "dependencies": named}
        history, subject = self._history, f"wedding.{self._wedding}.op.{self.name}"
        history.add(Entry(history.now(), self._wedding, self.name, "invoke", mark, asks={"dependencies": named}))
        since = time.monotonic()
        while True:
            if time.monotonic() - since > GIVE_UP_SECONDS:
                # nats-py was seen never to come back from a connection that was refused while no gateway answered for it.
                with suppress(nats.errors.Error, OSError, TimeoutError):
                    await asyncio.wait_for(connection.close(), RETRY_SECONDS)
                connection, since = await self._connect(), time.monotonic()
            try:
                reply = await connection.request(subject, json.dumps(op).encode(), timeout=2.0, headers={"Wedsync-Op-Id": mark})
            except (nats.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if "error" not in json.loads(reply.data):
                history.note(self._wedding, self.name, "queued", mark=mark, op=mark)
                return connection
            await asyncio.sleep(RETRY_SECONDS)


async def _ignore(_: Exception) -> None:
    """Losing the server is what this is about."""
