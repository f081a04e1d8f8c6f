"""An ear and a questioner, as gateways are: hears envelopes and heads, asks owners, and notes what does not fit together.

The network loses what it likes, so holes prove nothing; what is heard twice must be the same, whoever said it, and an answer must
not be behind the position that the question named (design D2). Made by history, compared with the log by checks.
"""

from collections import defaultdict
from typing import Final

import msgspec

from actors.contract.calls import Question, Reply
from actors.contract.envelopes import Envelope
from actors.contract.subjects import WEDDING, call_subject, log_stream
from store.bus import Message
from tests.simulation.clients import WEDDINGS
from tests.simulation.processes import Process
from tests.simulation.world import PARTITIONS, World

_decode: Final = msgspec.json.Decoder(Envelope).decode
_decode_reply: Final = msgspec.json.Decoder(Reply).decode
_encode: Final = msgspec.json.Encoder().encode


class Observer:
    """What one gateway would know."""

    def __init__(self, world: World, process: Process) -> None:
        #: The bytes of each decided envelope, by (kind, id) and rev.
        self.envelopes: defaultdict[tuple[str, str], dict[int, bytes]] = defaultdict(dict)
        #: What was answered about ops that were not decided again: (wedding, envelope).
        self.answers: list[tuple[tuple[str, str], Envelope]] = []
        #: (kind and id, rev, digests) as owners answered.
        self.digests: list[tuple[tuple[str, str], int, bytes]] = []
        self._world = world
        self._process = process
        self._bus = world.connect(process, "gateway")
        self._asked: dict[str, tuple[str, int]] = {}

    async def listen(self) -> None:
        await self._bus.subscribe("fan.>", self._on_envelope)
        await self._bus.subscribe("answers.>", self._on_reply)

    async def ask_now_and_then(self, until: float) -> None:
        """Ask for digests, naming the last position of the log or less."""
        random = self._world.random
        while self._process.time() < until:
            await self._process.pause(1.5 * random.random())
            wedding = random.choice(WEDDINGS)
            subject = call_subject("r0", WEDDING, wedding, "digest", PARTITIONS)
            partition = int(subject.split(".")[2])
            last = self._world.streams.streams[log_stream(partition % self._world.identity.streams)].last
            inbox = f"answers.{len(self._asked)}"
            self._asked[inbox] = (wedding, last)
            await self._bus.publish(subject, _encode(Question(last)), reply=inbox)

    async def _on_envelope(self, message: Message) -> None:
        _, _, _, kind, identifier = message.subject.split(".")
        wedding = kind, identifier
        envelope = _decode(message.data)
        if not envelope.decided:
            self.answers.append((wedding, envelope))
            return
        self._world.seen["envelopes"] += 1
        known = self.envelopes[wedding].setdefault(envelope.rev, message.data)
        if known != message.data:
            self._world.offences.append(f"{wedding}: two envelopes of rev {envelope.rev}: {known!r} and {message.data!r}")

    async def _on_reply(self, message: Message) -> None:
        wedding, asked_at = self._asked[message.subject]
        reply = _decode_reply(message.data)
        if reply.error:
            self._world.seen[f"answered {reply.error}"] += 1
            return
        self._world.seen["answered"] += 1
        if reply.position < asked_at:
            self._world.offences.append(f"{wedding}: asked at {asked_at}, {reply.host} answered from {reply.position}")
        self.digests.append(((WEDDING, wedding), reply.rev, bytes(reply.body)))
