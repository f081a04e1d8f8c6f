"""What the client makes of each frame: the protocol's rules for clients, synchronously, without touching a socket.

Frames to send are collected in order and taken by the connection's sender. Called by `Client` alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, Literal, assert_never

import msgspec

from actors.contract.client_frames import ClientFrame, DataSync, Ping, PresenceUpdate, SubmitOp
from actors.contract.events import Event
from actors.contract.server_frames import (
    Applied,
    ChannelSync,
    ErrorFrame,
    Goaway,
    LiveEvents,
    Pong,
    PresenceFrame,
    Rejected,
    Saved,
    ServerFrame,
    Stale,
    Synced,
    TokenExpiring,
    TokenRefreshed,
    Verify,
    Welcome,
    Withdrawn,
)
from gateway.client.durable import DurableQueue
from gateway.client.errors import ConnectionClosed, HistoryMissing
from gateway.client.listening import Listening
from gateway.client.outbox import DEFAULT_PAUSE_SECONDS, PAUSE, SEND_AGAIN, Outbox
from gateway.client.owed import OwedAnswers
from gateway.client.pending import Outcome, Pending, outcome_seen
from gateway.client.presence import Presence
from gateway.client.replica import Followed, Replica, SyncReport
from gateway.client.returning import Returning
from gateway.client.staging import Staging

#: What the server owes behind a refused op.
HOLD: Final = "answers to the ops behind a refused one"
#: A snapshot whose digest is wrong again and again is not asked for again and again.
REPAIRS_IN_A_ROW: Final = 3

_decode_event: Final = msgspec.json.Decoder(Event).decode
_encode: Final = msgspec.json.Encoder().encode


class Session:
    """State of one client across its connections."""

    def __init__(self, listening: Listening, outbox: Outbox, queue: DurableQueue, client: str | None) -> None:
        self.client = client
        self.user, self.role = "", ""
        self.is_synced = False
        self.is_stale = False  # events went by, and a sync of every channel is on its way
        self.replica = Replica()
        self.outbox = outbox
        self.queue = queue
        self.returning = Returning(listening.tell_return)
        self.presence = Presence()
        self.last_error: ErrorFrame | None = None
        self.mismatches = 0
        self._listening = listening
        self._welcome: Welcome | None = None
        self._staging = Staging()
        self._withdrawn: list[str] = []
        self._frames: deque[ClientFrame] = deque()
        self._wake = asyncio.Event()
        self._resume_at = 0.0
        self._owed = OwedAnswers(self._wake.set)
        self._repairs: dict[str, int] = {}

    def submit(self, pending: Pending) -> None:
        """Queue an op, kept from now on; raises QueueFull."""
        self.queue.open()
        pending.generation = self.replica.generation
        self.outbox.add(pending)
        self.queue.save()
        self._wake.set()
        self._listening.tell_change()

    def show_presence(self, presence: dict[str, Any] | None) -> None:
        """Remember our presence and send it when connected."""
        self.presence.own = presence
        if self.is_synced:
            self._push(PresenceUpdate(presence))

    async def wait_for_frames(self) -> None:
        """Wait until there may be something to send; raises ConnectionClosed when the server owes us an answer for too long."""
        await self._wake.wait()
        self._wake.clear()
        self._owed.check()

    def take_frames(self) -> Iterable[ClientFrame]:
        """Yield what is to be sent now, in order."""
        while self._frames:
            yield self._frames.popleft()
        if self.is_synced and self.client is not None and asyncio.get_running_loop().time() >= self._resume_at:
            if ready := self.outbox.to_send():
                self.queue.save()
            for pending in ready:
                yield SubmitOp(msgspec.Raw(_encode(pending.numbered(self.client))))

    @property
    def is_behind(self) -> bool:
        """Whether events went by that are being fetched."""
        return self.is_stale or bool(self._repairs)

    def disconnected(self) -> None:
        """Forget what belonged to the connection."""
        self.is_synced, self.is_stale, self._welcome, self._resume_at = False, False, None, 0.0
        for forgotten in (self._owed, self._staging, self._withdrawn, self._frames, self._repairs, self.presence.others):
            forgotten.clear()
        self._listening.tell_change()

    def ask_repair(self, channels: Iterable[str], reason: Literal["gap", "digest", "check"] = "check") -> None:
        """Send what we hold of these channels, if connected; the server answers with a sync for each that differs."""
        if not self.is_synced:
            return
        self._push(DataSync(channels=self.replica.claims(channels), reason=reason))

    def handle(self, frame: ServerFrame) -> None:
        """Follow one frame; raises HistoryMissing when we must go on under a new client id."""
        before = len(self.outbox)
        self._handle(frame)
        if len(self.outbox) != before:
            self.queue.save_soon()
        self.returning.check()

    def _handle(self, frame: ServerFrame) -> None:
        match frame:
            case LiveEvents():
                self._follow([_decode_event(raw) for raw in frame.events])
            case Saved():
                if (number := self._our_number(frame.op)) is not None:
                    self.outbox.saved(number)
            case Applied():
                if (number := self._our_number(frame.op)) is not None:
                    self._settle(number, Outcome(frame.op, applied=True))
            case Rejected():
                self._rejected(frame)
            case Welcome():
                self._welcome = frame
            case ChannelSync():
                self._collect(frame)
            case Stale():
                self.is_stale = True
            case Synced():
                self._synced()
            case Withdrawn():
                self._withdraw(frame.channel)
            case PresenceFrame():
                self.presence.follow(frame)
            case ErrorFrame():
                self.last_error = frame
                self._listening.tell_error(frame)
            case Verify():
                self._push(Ping(self.replica.claims(self.replica.channels)))
            case Pong() | TokenRefreshed() | TokenExpiring() | Goaway():
                pass  # about the connection, not the wedding: see upkeep
            case _ as unreachable:
                assert_never(unreachable)

    # Syncs: before `synced` they are staged and nothing of them shows.

    def _collect(self, frame: ChannelSync) -> None:
        if self._staging.add(frame) and self.is_synced and not self.is_stale:
            self._install_staged()

    def _synced(self) -> None:
        if not self.is_synced:
            self._begin()
        self.is_stale = False
        self._install_staged()

    def _begin(self) -> None:
        welcome = self._welcome
        if welcome is None:
            raise ConnectionClosed(1002, "The server sent synced before welcome.")
        for pending in self.outbox.unanswered():
            if pending.generation not in (None, welcome.generation):
                pending.forget_base()
        self.user, self.role = welcome.user, welcome.role
        self.replica.generation = welcome.generation
        self.replica.keep_only(welcome.channels.keys() - self._withdrawn)
        self.outbox.start(welcome.client, welcome.last_op)
        self.client = welcome.client
        self.is_synced = True
        if self.presence.own is not None:
            self._push(PresenceUpdate(self.presence.own))
        self.returning.begin(self.outbox.unanswered())
        self._wake.set()

    def _install_staged(self) -> None:
        """Show what has been gathered, all of it at once."""
        reports = [self.replica.install(chunks) for chunks in self._staging.take()]
        self._settle_own([event for report in reports for event in report.events])
        for report in reports:
            for event in report.events:
                self._listening.tell_event(event)
            self._listening.tell_sync(report)
        for report in reports:
            self._check(report)

    def _check(self, report: SyncReport) -> None:
        """Compare digests after a sync; a mismatch is counted and repaired by a sync of that channel alone."""
        self._owed.came(report.channel)
        if report.digest_agrees:
            self._repairs.pop(report.channel, None)
            return
        self.mismatches += 1
        if self._repairs.get(report.channel, 0) < REPAIRS_IN_A_ROW:
            self._repair(report.channel, "digest")

    def _repair(self, channel: str, reason: Literal["gap", "digest"]) -> None:
        if channel not in self._owed:
            self._repairs[channel] = self._repairs.get(channel, 0) + 1
            self._owed.expect(channel)
            self.ask_repair([channel], reason)

    def _withdraw(self, channel: str) -> None:
        self._owed.came(channel)
        self._repairs.pop(channel, None)
        if self.is_synced:
            self.replica.withdraw(channel)
        else:
            self._withdrawn.append(channel)

    # Live events and answers.

    def _follow(self, events: list[Event]) -> None:
        applied = []
        for event in events:
            followed = self.replica.follow(event)
            if followed is Followed.APPLIED:
                applied.append(event)
            elif followed is Followed.GAP:
                self._repair(event.channel, "gap")
        self._settle_own(events)
        for event in applied:
            self._listening.tell_event(event)

    def _settle_own(self, events: Iterable[Event]) -> None:
        """Our own event is the answer to our op, also when it came before."""
        own: dict[str, list[Event]] = {}
        for event in events:
            if event.user_id == self.user:
                own.setdefault(event.id, []).append(event)
        for op, parts in own.items():
            if (number := self._our_number(op)) is not None:
                self._settle(number, outcome_seen(op, parts))

    def _settle(self, number: int, outcome: Outcome) -> None:
        self.outbox.settle(number, outcome)
        self._go_on()

    def _rejected(self, frame: Rejected) -> None:
        if (number := self._our_number(frame.op)) is None:
            return
        outcome = Outcome(frame.op, applied=False, code=frame.code, message=frame.message, remedy=frame.remedy)
        if frame.code == "client_expired":
            raise HistoryMissing("The server has forgotten this client; it goes on under a new id.")
        if frame.next > number:
            self._settle(number, outcome)
            return
        if not self.outbox.refuse(number, frame.next or number, outcome, final=frame.code not in SEND_AGAIN):
            return
        if frame.code in PAUSE:
            self._pause(DEFAULT_PAUSE_SECONDS if frame.retry_after_ms is None else frame.retry_after_ms / 1000)
        self._go_on()

    def _go_on(self) -> None:
        """Send what may be sent, once no answer to an op behind a refused one is on its way any more."""
        if self.outbox.holding and not self.outbox.release():
            self._owed.expect(HOLD)
            return
        self._owed.came(HOLD)
        self._wake.set()

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._resume_at = max(self._resume_at, loop.time() + seconds)
        loop.call_at(self._resume_at + 0.001, self._wake.set)

    def _our_number(self, op: str) -> int | None:
        """The number of an op of this client, None for an op of somebody else."""
        client, _, number = op.rpartition(":")
        return int(number) if client == self.outbox.client and number.isdecimal() else None

    def _push(self, frame: ClientFrame) -> None:
        self._frames.append(frame)
        self._wake.set()
