"""One wedding full of secrets: people on sockets, over HTTP and NATS, all at once; and everything that reaches them.

`Crowd.live` goes through rounds: random ops, rights that change, sockets that come, go and resume; then a sentinel that everybody
must get, then everybody asks everything over HTTP. `offences` holds what was received against the Truth.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from actors.contract.envelopes import Envelope
from bench.secrecy.listeners import JSON, PACKED, Evidence, Listener
from bench.secrecy.ops import ANCHOR, PEOPLE, STRANGER, Op, Ops, op_of
from bench.secrecy.requests import Requests
from bench.secrecy.truth import OP_ID, Truth, words_of

WITHIN_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.02
INTEGRATOR: Final = "bot"
#: So many of the undos that somebody makes up are of own ops.
_OWN: Final = 0.7
#: Who may do much does much, so that there is something to be kept from the others.
_BUSY: Final = frozenset({"ana", "ben", "petra", "tom"})


class Place(NamedTuple):
    """A WedSync: its address, the NATS address of gateways; by (principal, wedding) tokens and NATS addresses of integrators."""

    url: str
    gateway_nats_url: str
    token: Callable[[str, str], str]
    integrator_nats_url: Callable[[str, str], str]


class Crowd:
    """See the module."""

    def __init__(self, place: Place, wedding: str, seed: int, session: aiohttp.ClientSession) -> None:
        self.wedding = wedding
        self.evidence: list[Evidence] = []
        self.ops = Ops(random.Random(f"{wedding} {seed}"))
        self._draw = self.ops.draw
        self._place = place
        self._session = session
        self._asked: dict[tuple[str, str], Op] = {}
        self._own: dict[str, set[str]] = defaultdict(set)
        self._presence: list[tuple[str, int, str]] = []
        self._envelopes: dict[int, Envelope] = {}
        self._heard: set[str] = set()
        self._hearing = asyncio.Event()
        self._sentinels: dict[str, int] = {}
        #: Records of conflicts, and what they are about, whoever may read them.
        self._records: dict[str, str] = {}
        self._listeners: list[Listener] = []
        self._integrator: Client | None = None
        self._anchor = self._listener(ANCHOR, JSON)

    @classmethod
    @asynccontextmanager
    async def gathered(cls, place: Place, wedding: str, seed: int, session: aiohttp.ClientSession) -> AsyncIterator[Self]:
        """Found the wedding, add its people and let two sockets of each listen; everybody leaves at the end."""
        crowd = cls(place, wedding, seed, session)
        log = await nats.connect(place.gateway_nats_url, inbox_prefix=b"_INBOX_gateway")
        integrator = crowd._integrator = await nats.connect(
            place.integrator_nats_url(INTEGRATOR, wedding), inbox_prefix=f"_INBOX_{INTEGRATOR}".encode()
        )
        try:
            await log.subscribe(f"fan.*.*.w.{wedding}", cb=crowd._on_envelope)
            await integrator.subscribe(f"wedding.{wedding}.feed.{INTEGRATOR}.>", cb=crowd._on_feed)
            await integrator.subscribe(f"wedding.{wedding}.outcome.{INTEGRATOR}", cb=crowd._on_feed)
            await log.flush()
            await integrator.flush()
            await crowd._begin()
            yield crowd
        finally:
            await asyncio.gather(*(listener.close() for listener in [crowd._anchor, *crowd._listeners]))
            await log.close()
            await integrator.close()

    async def live(self, rounds: int, ops: int) -> None:
        """Go through so many rounds of so many ops each."""
        for _ in range(rounds):
            for _ in range(ops):
                await self._something()
            await self._sentinel()
            await asyncio.gather(*(self._requests(person).ask_everything() for person in [*PEOPLE, STRANGER]))
            await self._sentinel()

    def truth(self) -> Truth:
        """What was decided, folded."""
        truth = Truth()
        for rev in sorted(self._envelopes):
            envelope = self._envelopes[rev]
            assert rev == 1 or rev - 1 in self._envelopes, f"envelope {rev - 1} was not heard"
            op = self._asked.get((envelope.principal, envelope.op))
            events = [msgspec.json.decode(part.event) for part in envelope.parts]
            is_known = op is not None or not events or envelope.principal[0] == "_" or "undoes" in events[0]["metadata"]
            assert is_known, f"nobody here asked {envelope.op}"
            truth.decided(rev, (envelope.principal, envelope.op), op, events)
        for secret, after, channel in self._presence:
            truth.publish(secret, self._rev_of(after - 1), channel)
        return truth

    def offences(self) -> list[str]:
        """What somebody was told and may not know, and channels that somebody has too many or too few of."""
        truth = self.truth()
        return [*truth.faults, *self._told_too_much(truth)]

    def _told_too_much(self, truth: Truth) -> list[str]:
        return [
            f"unreadable: {each.person} was told {told} by {each.what} after {each.after}: {each.text[:400]}"
            for each in self.evidence
            for told in truth.told_too_much(each.person, each.text, self._rev_of(each.after), self._own[each.person])
        ]

    async def settled(self) -> list[str]:
        """Wait until every open socket has exactly the channels that its person reads; tell who has others in the end."""
        truth = self.truth()

        def apart() -> list[str]:
            return [
                f"apart: {each.person} has or lacks {sorted(set(each.sequences) ^ truth.readable_now(each.person))}"
                for each in self._listeners
                if not each.closed and set(each.sequences) != truth.readable_now(each.person)
            ]

        # What is granted comes behind the events of its time.
        for _ in range(round(WITHIN_SECONDS / _PAUSE_SECONDS)):
            if not apart():
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return apart()

    # --- inside

    def _rev_of(self, sentinel: int) -> int:
        """The rev of a sentinel; 0 before the first, the last one there is behind the last."""
        by_op = {envelope.op: rev for rev, envelope in self._envelopes.items()}
        revs = [by_op[op] for op in self._sentinels]
        return 0 if sentinel < 0 else revs[sentinel] if sentinel < len(revs) else max(self._envelopes)

    async def _on_envelope(self, message: Msg) -> None:
        envelope = msgspec.json.decode(message.data, type=Envelope)
        if envelope.decided:
            self._envelopes[envelope.rev] = envelope
            self._heard.add(envelope.op)
            self._hearing.set()
            for change in (each for part in envelope.parts for each in msgspec.json.decode(part.event)["data"]["changes"]):
                if change["collection"] == "conflicts" and "insert" in change:
                    self._records[change["id"]] = change["insert"]["collection"]

    async def _on_feed(self, message: Msg) -> None:
        text = f"{message.subject} {message.data.decode()}"
        self.evidence.append(Evidence(INTEGRATOR, len(self._sentinels), "nats", text))

    def _listener(self, person: str, protocol: str) -> Listener:
        return Listener(person, protocol, self.evidence.append, self._sentinels)

    def _requests(self, person: str) -> Requests:
        return Requests(self, person, self._place.url, self._session, self._place.token(person, self.wedding))

    def note(self, person: str, what: str, text: str, *, own: set[str] | None = None) -> None:
        """Keep what an HTTP request was answered; `own` is what the person named in it."""
        self.brought(person, own or set())
        self.evidence.append(Evidence(person, len(self._sentinels), what, text))

    def brought(self, person: str, words: set[str]) -> None:
        """Remember that these words are no secrets to somebody."""
        self._own[person] |= words

    def asked(self, person: str, identifier: str, op: Op) -> None:
        """Remember an op, and that its words are no secrets to its author."""
        self._asked[person, identifier] = op
        self._own[person] |= {identifier} | words_of(op)

    async def _begin(self) -> None:
        requests = self._requests(ANCHOR)
        body = {
            "id": self.wedding, "title": "A wedding", "date": "2027-06-19", "timeZone": "Europe/London", "homeCurrency": "GBP",
            "role": "couple",
        }  # fmt: skip
        founded = await requests.post("weddings", body, with_wedding=False)
        self.asked(ANCHOR, founded["op"], op_of("wedding", "insert", self.wedding, body))
        # So that some conflicts wait for an answer.
        await requests.submit(op_of("wedding", "update", self.wedding, {"conflictRules": {"tasks.title": "manual_review"}}))
        for person, role in PEOPLE.items():
            if person != ANCHOR:
                await requests.submit(op_of("people", "insert", person, {"name": person, "role": role}))
        await requests.submit(op_of("permissions", "insert", INTEGRATOR, {"integrator": True}))
        await self._open(self._anchor)
        for person in PEOPLE:
            for protocol in (JSON, PACKED):
                self._listeners.append(self._listener(person, protocol))
        await asyncio.gather(*map(self._open, self._listeners))

    async def _open(self, listener: Listener, **hello: Any) -> None:
        hello |= {"wedding": self.wedding, "token": self._place.token(listener.person, self.wedding)}
        async with asyncio.timeout(WITHIN_SECONDS):
            await listener.open(self._session, self._place.url, hello)

    async def _something(self) -> None:
        """One random op by any entrance, some presence, or a socket that goes and comes back."""
        kind = self._draw.random()
        listener = self._draw.choices(self._listeners, [3 if each.person in _BUSY else 1 for each in self._listeners])[0]
        person = listener.person
        if kind < 0.06:
            await self._come_back(listener)
        elif kind < 0.14:
            await self._show(listener)
        elif kind < 0.2:
            await self._requests(person).submit(self.ops.next(person))
        elif kind < 0.26:
            await self._publish()
        elif kind < 0.31:
            if own := [identifier for principal, identifier in self._asked if principal == person]:
                await self._requests(person).undo(self._draw.choice(own))
        elif identifier := await listener.next_id():
            op = {"id": identifier, **self._next(person), **self._dependencies()}
            self.asked(person, identifier, op)
            await listener.send({"type": "collaboration_event", "op": op})

    def _next(self, person: str) -> Op:
        """What somebody asks over a socket: mostly plain, sometimes an edit of a text, an undo or an answer to a conflict."""
        kind, draw = self._draw.random(), self._draw
        if kind < 0.1 and (typing := self.ops.typing()) is not None:
            return typing
        if kind < 0.17 and self._records:
            return self.ops.answering(*draw.choice(list(self._records.items())))
        if kind < 0.22:
            own = [name for name in self._asked if name[0] == person]
            name = draw.choice(own if own and draw.random() < _OWN else list(self._asked))
            identifier, op = name[1], self._asked[name]
            return self.ops.undoing(identifier, op)
        return self.ops.next(person)

    def _dependencies(self) -> Op:
        """Sometimes ops of anybody, decided or still to come: whether they are must be all that is learnt."""
        if self._draw.random() > 0.1:
            return {}
        named = [identifier for _, identifier in self._draw.sample(list(self._asked), 2) if OP_ID.fullmatch(identifier)]
        if self._draw.random() < 0.3:
            named += [f"{name.rpartition(':')[0]}:{int(name.rpartition(':')[2]) + 1}" for name in named[:1]]
        return {"dependencies": named}

    async def _come_back(self, listener: Listener) -> None:
        """The socket of a person closes; a new one resumes where it stood, as a new client: the last op's number may be open."""
        self._listeners.remove(listener)
        await listener.close()
        again = self._listener(listener.person, self._draw.choice([JSON, PACKED]))
        self._own[listener.person] |= set(listener.sequences)
        await self._open(again, **({"resume": listener.resume()} if listener.client else {}))
        self._listeners.append(again)

    async def _show(self, listener: Listener) -> None:
        secret, channel = self.ops.secret("pr"), self.ops.channel()
        self._own[listener.person] |= {secret, channel}
        self._presence.append((secret, len(self._sentinels), channel))
        await listener.send({"type": "presence_update", "presence": {"section": channel, "item": secret, "field": secret}})

    async def _publish(self) -> None:
        """An op of the integrator."""
        assert self._integrator is not None
        op, identifier = self.ops.next(INTEGRATOR), self.ops.secret("op")
        self.asked(INTEGRATOR, identifier, op)
        subject = f"wedding.{self.wedding}.op.{INTEGRATOR}"
        await self._integrator.publish(subject, msgspec.json.encode(op), headers={"Wedsync-Op-Id": identifier})

    async def _sentinel(self) -> None:
        """An op that everybody reads, behind everything of this round; returns when every open socket has it, and we."""
        identifier = await self._anchor.next_id()
        op = {"id": identifier, **op_of("wedding", "update", self.wedding, {"title": self.ops.secret()})}
        self.asked(ANCHOR, identifier, op)
        self._sentinels[identifier] = number = len(self._sentinels)
        await self._anchor.send({"type": "collaboration_event", "op": op})
        async with asyncio.timeout(WITHIN_SECONDS):
            for listener in [self._anchor, *self._listeners]:
                await listener.has_seen(number)
            while identifier not in self._heard:
                await self._hearing.wait()
                self._hearing.clear()
