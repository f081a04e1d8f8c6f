"""The way of integrators' and operators' ops from INTAKE to the log (design D10): checked, bare of headers, in order.

One gateway at a time drains the queue. A principal's next op is taken up when its previous one is on disk; what can never be
taken is copied to `wedsync.dead.<code>` and told on the author's outcome subject. An op leaves the queue once either is done;
one that cannot be taken yet, as when the log is full, stays, and its author is told `delayed` now and then.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from actors.contract.dead_letters import dead_letter
from actors.contract.ids import is_token
from actors.contract.ops import Op
from actors.contract.server_frames import Delayed, Rejected
from actors.contract.subjects import dead_subject, intake_subject, outcome_subject
from config.settings import Settings
from gateway.errors import GatewayError
from gateway.ops.authors import Authors
from gateway.ops.submit import Author, PresenceChange, Submitter, read_op
from gateway.presence.hub import PresenceHub
from gateway.rooms.hub import Hub
from store.bus import Bus
from store.errors import StoreError
from store.intake import IntakeConsumer, IntakeMessage
from store.postgres import Database
from store.streams import identify

#: An author over its rate is waited for while it has at most so many ops in hand; beyond it they are refused.
_PATIENCE_OPS: Final = 50
_RETRY_SECONDS: Final = 0.5
_DEAD_ANSWER_SECONDS: Final = 2.0
#: An op that waits for a log or an owner longer than this is told as delayed, then again and again at the longer interval.
_DELAYED_AFTER_SECONDS: Final = 2.0
_DELAYED_AGAIN_SECONDS: Final = 30.0

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Intake:
    """See the module."""

    def __init__(
        self, bus: Bus, hub: Hub, submitter: Submitter, presence: PresenceHub, database: Database, settings: Settings
    ) -> None:
        self._bus = bus
        self._hub = hub
        self._submitter = submitter
        self._presence = presence
        self._database = database
        self._settings = settings
        self._authors = Authors(submitter, "nats")
        #: What is in hand of each author in each wedding, in its order.
        self._lines: dict[tuple[str, str], deque[IntakeMessage]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_hand: set[int] = set()
        self._consumer: IntakeConsumer | None = None
        self.taken = 0
        self.refused = 0

    @property
    def waiting(self) -> int:
        """Ops in hand."""
        return len(self._in_hand)

    async def start(self) -> None:
        """Begin to drain whenever it is this gateway's turn; raises StoreError."""
        await identify(self._bus, self._database, self._settings)
        self._consumer = IntakeConsumer(self._bus, self._on_message)
        await self._consumer.start()

    async def stop(self) -> None:
        """Let another gateway take over; what is in hand is delivered to it again."""
        if self._consumer is not None:
            await self._consumer.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _on_message(self, message: IntakeMessage) -> None:
        if message.sequence in self._in_hand:
            return
        self._in_hand.add(message.sequence)
        key = message.wedding, message.principal
        line = self._lines.get(key)
        if line is not None:
            line.append(message)
            return
        self._lines[key] = deque([message])
        task = asyncio.create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, key: tuple[str, str]) -> None:
        """Take up an author's ops one after the other until none is left."""
        author, line = self._authors.author_of(*key), self._lines[key]
        while line:
            message = line[0]
            try:
                await self._take(author, message, len(line))
            except Exception:
                # It stays in the queue and is delivered again.
                _log.exception("intake_failed", sequence=message.sequence)
            self._in_hand.discard(message.sequence)
            line.popleft()
        del self._lines[key]

    async def _take(self, author: Author, message: IntakeMessage, in_hand: int) -> None:
        """Bring one op to where it belongs, however long the log or the owner is away."""
        tell_at = time.monotonic() + _DELAYED_AFTER_SECONDS
        while True:
            try:
                await self._bring(author, message)
            except GatewayError as error:
                wait_seconds = _wait_seconds(error, in_hand)
                if wait_seconds is None:
                    await self._refuse(message, error)
                    return
                if time.monotonic() >= tell_at:
                    await self._tell_delayed(message, error)
                    tell_at = time.monotonic() + _DELAYED_AGAIN_SECONDS
                await asyncio.sleep(wait_seconds)
            else:
                self.taken += 1
                await message.ack()
                return

    async def _bring(self, author: Author, message: IntakeMessage) -> None:
        """Into the log, or into presence; raises GatewayError."""
        if not (is_token(message.wedding) and is_token(message.principal)):
            raise GatewayError("bad_id", "The subject names no wedding or nobody.", "Publish to wedding.<wedding>.op.<your id>.")
        op = read_op(message.data, self._settings.limits)
        if isinstance(op, PresenceChange):
            await self._announce(message, op)
            return
        if op.id:
            raise GatewayError("bad_id", "An op over NATS has no `id`.", "Name repeats by the header Wedsync-Op-Id instead.")
        op = msgspec.structs.replace(op, id=self._id_of(message))
        founding = _is_founding(op)
        async with self._hub.visit(message.wedding, founding=founding) as room:
            submitted = self._submitter.submit(room, author, op)
            self._presence.person_active(message.wedding, message.principal)
            outcome = room.outcome(message.principal, submitted.op)
            try:
                await submitted.position
                if founding:
                    # The author's next op is for a wedding that this gateway must know of.
                    await asyncio.wait([outcome], timeout=self._settings.http_answer_timeout_seconds)
            finally:
                outcome.cancel()

    async def _announce(self, message: IntakeMessage, change: PresenceChange) -> None:
        async with self._hub.visit(message.wedding) as room:
            if room.rights(message.principal) is None:
                raise GatewayError("not_allowed", "You are not a member of this wedding.")
            self._presence.announce(message.wedding, message.principal, change.data, entrance="nats")

    def _id_of(self, message: IntakeMessage) -> str:
        return message.op_id_header or f"intake-{message.stream_created_seconds}:{message.sequence}"

    def _name_of(self, message: IntakeMessage) -> str:
        """Its id as it is told: what its author wrote there may be anything."""
        return self._id_of(message)[:100]

    async def _tell_delayed(self, message: IntakeMessage, error: GatewayError) -> None:
        remedy = "Nothing: the op is kept and taken as soon as that is over, those after it too; do not publish it again."
        _log.warning("intake_op_delayed", sequence=message.sequence, code=error.code, reason=error.message)
        with suppress(StoreError):  # it is told again
            outcome = _encode(Delayed(self._name_of(message), error.code, error.message, remedy))
            await self._bus.publish(outcome_subject(message.wedding, message.principal), outcome)

    async def _refuse(self, message: IntakeMessage, error: GatewayError) -> None:
        """Keep a copy for operators, tell the author, and take it out of the queue; it comes again when a copy cannot be kept."""
        subject = intake_subject(message.wedding, message.principal)
        letter = dead_letter(subject, message.sequence, f"{error.code}: {error.message}", message.data)
        told = (None, "", 0) if error.met is None else (error.met.retry_after_ms, error.met.limit, error.met.value)
        outcome = _encode(Rejected(self._name_of(message), error.code, error.message, error.remedy, 0, *told))
        try:
            await self._bus.request(dead_subject(error.code), letter, timeout_seconds=_DEAD_ANSWER_SECONDS)
            await self._bus.publish(outcome_subject(message.wedding, message.principal), outcome)
        except StoreError as failure:
            _log.warning("dead_letter_not_kept", sequence=message.sequence, reason=failure.code)
            return
        self.refused += 1
        await message.term()


def _wait_seconds(error: GatewayError, in_hand: int) -> float | None:
    """How long until the op is tried again; None when it never will be taken."""
    if error.code == "slow_down":
        retry_ms = 0 if error.met is None else error.met.retry_after_ms
        return (retry_ms or 1000) / 1000 if in_hand <= _PATIENCE_OPS else None
    return _RETRY_SECONDS if error.code in ("unavailable", "waking") else None


def _is_founding(op: Op) -> bool:
    return op.action == "insert" and op.target.collection == "wedding"
