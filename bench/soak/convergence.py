"""The campaign of convergence: one wedding, many clients on 5 documents and 200 fields, each with a network of its own moods.

Clients wait at random, lose their connection, and go offline to come back with a batch. When all are back and every op has its
answer, all digests must be the actor's within `CONVERGED_SECONDS`, and every open text what is confirmed. `python -m bench.soak
convergence`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp

from actors.contract.channels import may_read, rights_of
from bench.installation import Installation, Site
from bench.soak.history import Heads
from bench.soak.report import errors_in
from bench.soak.run import Options
from bench.soak.stored import heads_of, proofs_of
from bench.wedding_load import Items, found_wedding
from gateway.client import Client, ClientError, Pending, TextEditor

WEDDING: Final = "garden"
DOCUMENTS: Final = tuple(f"document-{number}" for number in range(5))
ITEMS: Final = tuple(f"item-{number}" for number in range(40))
FIELDS: Final = ("title", "notes", "resource", "durationMin", "bufferAfterMin")
#: What the issue asks: so long after the last op and reconnect all digests are equal.
CONVERGED_SECONDS: Final = 5.0
LONGEST_OFFLINE_SECONDS: Final = 6.0
_LOOK_SECONDS: Final = 0.1
_WORDS: Final = ("rings ", "Vows ", "güezi ", "💍 ", "toast\n", "a ")
_LONGEST_TEXT: Final = 3_000


class Person:
    """One member with a bad network, who types, fills in fields, and goes offline at times."""

    def __init__(self, site: Site, session: aiohttp.ClientSession, user: str, seed: str) -> None:
        self.user = user
        self.counts: Counter[str] = Counter()
        self._online = asyncio.Event()
        self._online.set()
        self._draw = random.Random(seed)  # no secret
        self._token = site.token(user, WEDDING)
        self.client = Client(site.url, WEDDING, self._come_online, session=session)
        self.editors: list[TextEditor] = []
        self.ops: list[Pending] = []

    async def _come_online(self) -> str:
        await self._online.wait()
        return self._token

    async def connect(self) -> None:
        await self.client.connect(within_seconds=120.0)
        self.editors = [TextEditor(self.client, "documents", document) for document in DOCUMENTS]

    async def live(self, until: float, pause_seconds: float) -> None:
        """Edit until then; comes back at the end."""
        while time.monotonic() < until:
            await asyncio.sleep(self._draw.expovariate(1 / pause_seconds))
            mood = self._draw.random()
            if mood < 0.03:
                await self._go_offline()
            elif mood < 0.06:
                self.counts["disconnects"] += 1
                await self.client.disconnect()
            else:
                self._edit()
        self._online.set()

    async def _go_offline(self) -> None:
        self.counts["offline"] += 1
        self._online.clear()
        await self.client.disconnect()
        for _ in range(self._draw.randrange(5, 40)):
            self._edit()
        await asyncio.sleep(self._draw.uniform(0.5, LONGEST_OFFLINE_SECONDS))
        self._online.set()

    def _edit(self) -> None:
        if self._draw.random() < 0.4:
            self.counts["edits of texts"] += 1
            self._type(self._draw.choice(self.editors))
            return
        self.counts["edits of fields"] += 1
        field = self._draw.choice(FIELDS)
        value = self._draw.randrange(5, 120) if field.endswith("Min") else f"{field} {self._draw.randrange(10**6)}"
        self.ops.append(self.client.update("timeline", self._draw.choice(ITEMS), {field: value}))

    def _type(self, editor: TextEditor) -> None:
        length = len(editor.text)
        place = self._draw.randrange(length + 1)
        if length > _LONGEST_TEXT or (length > place and self._draw.random() < 0.3):
            place = min(place, length - 1)
            editor.delete(place, min(length - place, self._draw.randrange(1, 9)))
        else:
            editor.insert(place, self._draw.choice(_WORDS))

    @property
    def is_calm(self) -> bool:
        """Whether it is back and everything that it asked has an answer."""
        return self.client.is_synced and not self.client.unanswered and all(each.is_saved for each in self.editors)

    def differs_from(self, actor: Heads) -> list[str]:
        """Say which channels are not the actor's, and which open texts are not what is confirmed."""
        rights = rights_of("planner", self.user)
        wanted = {channel: head for channel, head in actor.channels.items() if may_read(rights, channel)}
        digests = self.client.digests()
        held = {channel: (sequence, digests[channel]) for channel, sequence in self.client.sequences().items()}
        wrong = [channel for channel in {*wanted, *held} if wanted.get(channel) != held.get(channel)]
        documents = self.client.confirmed().get("documents", {})
        texts = [name for name, editor in zip(DOCUMENTS, self.editors, strict=True) if editor.text != documents[name]["text"]]
        return [f"{self.user}: {each}" for each in sorted(wrong) + texts]


def _wedding() -> Items:
    timeline = {item: {"title": item, "notes": "none", "resource": "garden", "durationMin": 10} for item in ITEMS}
    return {"timeline": timeline, "documents": {name: {"title": name, "text": "Once. "} for name in DOCUMENTS}}


async def run_convergence(folder: Path, options: Options) -> int:
    """Run it and print; returns how much is broken."""
    print(f"seed {options.seed}: {options.clients} clients, {options.rate:.0f} ops/s, {options.seconds:.0f} s", flush=True)
    users = [f"member-{number}" for number in range(options.clients)]
    installation = Installation(folder, gateways=2, hosts=2, environment={"WEDSYNC_LOG_LEVEL": "info"})
    async with installation, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        site = installation.site
        await found_wedding(site, session, WEDDING, users[:1], _wedding())
        async with Client(site.url, WEDDING, site.token(users[0], WEDDING), session=session) as author:
            for user in users[1:]:
                await author.insert("people", user, {"name": user, "role": "planner"}).outcome()
        people = [Person(site, session, user, f"{options.seed} {user}") for user in users]
        await asyncio.gather(*(person.connect() for person in people))
        try:
            until = time.monotonic() + options.seconds
            await asyncio.gather(*(person.live(until, options.clients / options.rate) for person in people))
            offences = await _compared(site, people, options.healed_seconds)
        finally:
            await asyncio.gather(*(person.client.close() for person in people), return_exceptions=True)
    print(errors_in(installation.log_path))
    print("\n".join(offences[: options.shown] or ["nothing is broken"]), flush=True)
    return len(offences)


async def _compared(site: Site, people: Sequence[Person], healed_seconds: float) -> list[str]:
    """Wait until everybody is calm, then until all are equal; returns what is broken."""
    began = time.monotonic()
    while not all(person.is_calm for person in people):
        if time.monotonic() > began + healed_seconds:
            return [
                f"calm: {person.user} has {person.client.unanswered} ops unanswered" for person in people if not person.is_calm
            ]
        await asyncio.sleep(_LOOK_SECONDS)
    calm = time.monotonic()
    [actor], unknown = await heads_of(site, [WEDDING], healed_seconds)
    while left := [each for person in people for each in person.differs_from(actor)]:
        if time.monotonic() > calm + healed_seconds:
            return [f"differs: {each}" for each in left]
        await asyncio.sleep(_LOOK_SECONDS)
    took = time.monotonic() - calm
    outcomes = Counter([(await op.outcome()).code or "applied" for person in people for op in person.ops])
    totals = sum((person.counts for person in people), Counter[str]())
    print(", ".join(f"{count} {name}" for name, count in sorted(totals.items())) + f"; fields: {dict(outcomes)}")
    print(f"calm {calm - began:.1f} s after the end, all digests equal {took:.1f} s later, at most {CONVERGED_SECONDS:.0f}")
    late = [f"late: all digests were equal after {took:.1f} s"] if took > CONVERGED_SECONDS else []
    wrong = [f"mismatch: {person.user}" for person in people if person.client.mismatches]
    refused = [f"refused: {person.user}: {editor.refused}" for person in people for editor in person.editors if editor.refused]
    try:
        proofs = await proofs_of(site, [actor])
    except ClientError as error:
        proofs = [f"proof: {error}"]
    return unknown + late + wrong + refused + proofs
