"""One wedding at one gateway: its envelopes in order and without holes, its permissions, and what joins are served from.

Core NATS is at most once (design D8), so the room holds what comes too early, fetches what is missing from the owner, and asks
before it trusts a silence. An envelope with newer permissions waits until they are fetched (design D4). The hub makes rooms and
feeds them; sessions, intake and HTTP routes use them. Nothing here parses client frames.
"""
# long: order, permissions and the checkpoint of one wedding change together in one loop turn

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from actors.contract.calls import ClientCounter, Member
from actors.contract.channels import SERVICE_RIGHTS, Rights, channel_of
from actors.contract.envelopes import Envelope
from actors.contract.ids import SERVICE_PRINCIPALS, partition_of
from actors.contract.subjects import WEDDING
from config.settings import Settings
from gateway.audience import Audience
from gateway.checkpoint import Checkpoint
from gateway.counts import Counts
from gateway.errors import GatewayError, OwnerUnreachable, TooOld
from gateway.owner import Owner, WeddingState
from gateway.permission_change import grant, withdraw
from gateway.recent import RecentEnvelopes
from gateway.socket import Socket

#: A hole may be mere disorder or a head ahead of its envelope: wait this long before the owner is asked.
HOLE_PATIENCE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 0.1
#: Envelopes that may wait behind a hole; beyond it they are dropped and fetched later.
_MOST_HELD: Final = 2000
#: A checkpoint is used for joins until this many envelopes have come after it.
_CHECKPOINT_TAIL: Final = 200
_MOST_CHECKPOINT_CALLS: Final = 3
_ROLE_OF_SERVICES: Final = "planner"
_FIRST_CHANNEL: Final = channel_of("wedding", {})
_T = TypeVar("_T")
_log = structlog.get_logger()


class RoomEnd(Enum):
    """Why a room ends, with the close code of its sockets; they come back and get what they need."""

    RESTART = 1012
    GENERATION = 4409


class Room:
    """See the module. `rev`, `acl` and `generation` never reach a client, `generation` in `welcome` excepted."""

    def __init__(self, wedding: str, owner: Owner, settings: Settings, counts: Counts, state: WeddingState) -> None:
        self.wedding = wedding
        #: Called when members' rights have changed, after their sockets have been told.
        self.on_rights_change: list[Callable[[Room], None]] = []
        self.partition = partition_of(wedding, settings.partitions)
        self.generation, _, self.rev, self.acl = state.stand
        self.members: dict[str, Member] = state.head.members
        self.clients: dict[str, ClientCounter] = state.head.clients
        self.channels: dict[str, int] = {channel: sequence for channel, (sequence, _) in state.head.channels.items()}
        limits = settings.limits
        self.recent = RecentEnvelopes(self.rev, most=4 * limits.resume_events, most_bytes=2 * limits.resume_bytes)
        self.audience = Audience(counts)
        self.end: RoomEnd | None = None
        #: How many are inside, and how often somebody entered; the hub counts.
        self.visitors = 0
        self.visits = 0
        #: The highest number of each client that this gateway has sent towards the log; the submitter counts.
        self.forwarded: dict[str, int] = {}
        self.log_prefix = f"log.{settings.region}.{self.partition}.{WEDDING}.{wedding}."
        self._extending = asyncio.Lock()
        self._owner = owner
        self._counts = counts
        self._checkpoint: Checkpoint | None = Checkpoint(state)
        self._checkpoint_calls: dict[bool, asyncio.Task[Checkpoint]] = {}
        self._held: dict[int, Envelope] = {}
        self._held_answers: list[Envelope] = []
        self._known_rev = self.rev
        self._is_unsure = False
        self._arrivals: list[tuple[int, asyncio.Future[None]]] = []
        self._outcomes: dict[tuple[str, str], list[asyncio.Future[Envelope]]] = {}
        self._catch_up_task: asyncio.Task[None] | None = None
        self._permission_task: asyncio.Task[None] | None = None
        self._grant_task: asyncio.Task[None] | None = None

    # --- who is here and what they may do

    @property
    def exists(self) -> bool:
        """Whether the wedding has its item, whose channel nobody else writes."""
        return _FIRST_CHANNEL in self.channels

    @property
    def sockets(self) -> Iterable[Socket]:
        return self.audience.sockets

    def readers(self, channel: str) -> Sequence[Socket]:
        """The sockets that may read the channel."""
        return self.audience.readers(channel)

    def rights(self, principal: str) -> Rights | None:
        """What a principal may read; None for somebody who is not a member."""
        if principal in SERVICE_PRINCIPALS:
            return SERVICE_RIGHTS
        member = self.members.get(principal)
        return None if member is None else member.rights

    def role(self, principal: str) -> str | None:
        if principal in SERVICE_PRINCIPALS:
            return _ROLE_OF_SERVICES
        member = self.members.get(principal)
        return None if member is None else member.role

    def outcome(self, principal: str, op: str) -> asyncio.Future[Envelope]:
        """Return a future of the next envelope about this op; ask before the op is submitted, cancel to forget it."""
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        waiting = self._outcomes.setdefault((principal, op), [])
        waiting.append(future)
        future.add_done_callback(lambda _: self._forget_outcome(principal, op, future))
        return future

    # --- envelopes in order

    def receive(self, envelope: Envelope) -> None:
        """Take what came over the bus, in any order and any number of times."""
        if self.end is not None:
            return
        self._owner.saw(self.partition, envelope.position)
        if envelope.generation != self.generation:
            self._meet_generation(envelope.generation)
            return
        if not envelope.decided:
            self._held_answers.append(envelope)
            self._known_rev = max(self._known_rev, envelope.rev)
        elif envelope.rev <= self.rev:
            return
        elif envelope.rev == self.rev + 1 and self._is_smooth() and envelope.acl <= self.acl and not envelope.fetch:
            self._deliver(envelope)
            return
        else:
            self._hold(envelope)
        self._advance()

    def notice_head(self, generation: int, rev: int) -> None:
        """The owner is known to stand at `rev`; what does not arrive soon is fetched."""
        if generation != self.generation:
            self._meet_generation(generation)
        elif rev > self._known_rev:
            self._known_rev = rev
            self._catch_up_soon()

    def become_unsure(self) -> None:
        """Something may have been lost without a trace: nothing goes out until the owner has been asked."""
        self._is_unsure = True
        self._catch_up_soon()

    async def reached(self, rev: int) -> None:
        """Return when everything up to `rev` was delivered; raises OwnerUnreachable when the room ends first."""
        if self.end is not None:
            raise OwnerUnreachable
        if self.rev < rev or self._is_unsure:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._arrivals.append((rev, future))
            await future

    # --- states for joins, grants and repairs

    async def checkpoint(self, *, content: bool, at_least: dict[str, int] | None = None) -> Checkpoint:
        """Return a checkpoint that was reached and behind which `recent` holds everything; one call serves all who wait.

        `at_least` names channel sequences that it must include.
        """
        fresh: Checkpoint | None = None
        for _ in range(_MOST_CHECKPOINT_CALLS):
            current = self._checkpoint
            if current is not None and not self._is_unsure and self._is_usable(current, content, at_least or {}):
                return current
            content = content or (current is not None and current.chunks is not None)
            call = self._checkpoint_calls.get(content)
            if call is None:
                call = self._checkpoint_calls[content] = asyncio.create_task(self._ask_checkpoint(content))
                call.add_done_callback(partial(self._checkpoint_answered, content))
            fresh = await asyncio.shield(call)
        if not at_least or fresh is None:
            raise OwnerUnreachable
        # Even the owner does not know these sequences: the claim is wrong.
        return fresh

    async def events(self, wanted: dict[str, tuple[int, int]]) -> dict[str, list[bytes] | None]:
        """As RecentEnvelopes.events, after asking the owner once for what it still keeps of what is gone here."""
        found = self.recent.events(wanted)
        if None not in found.values():
            return found
        async with self._extending:
            found = self.recent.events(wanted)
            missing = {channel: wanted[channel][0] for channel, events in found.items() if events is None}
            if missing:
                await self._extend_recent(missing)
                found = self.recent.events(wanted)
        return found

    async def _extend_recent(self, channels: dict[str, int]) -> None:
        try:
            since = await self._owner.since(self.wedding, channels=channels)
        except TooOld:
            return
        if since.stand.generation == self.generation:
            self.recent.prepend(since.envelopes)

    def close(self, end: RoomEnd) -> None:
        """End the room: its sockets are closed and come back to a new one."""
        if self.end is not None:
            return
        self.end = end
        for task in (self._catch_up_task, self._permission_task, self._grant_task):
            if task is not None:
                task.cancel()
        for _, arrival in self._arrivals:
            if not arrival.done():
                arrival.set_exception(OwnerUnreachable())
        for socket in list(self.audience.sockets):
            socket.close(end.value)

    # --- inside

    def _is_smooth(self) -> bool:
        return not (self._held or self._must_hold() or self._held_answers)

    def _must_hold(self) -> bool:
        return self._is_unsure or self._permission_task is not None

    def _hold(self, envelope: Envelope) -> None:
        self._known_rev = max(self._known_rev, envelope.rev)
        if len(self._held) < _MOST_HELD:
            self._held[envelope.rev] = envelope

    def _advance(self) -> None:
        """Deliver everything that is due and see to it that what is missing comes."""
        while not self._must_hold() and self.end is None:
            envelope = self._held.get(self.rev + 1)
            if envelope is None or envelope.fetch:
                break
            if envelope.acl > self.acl:
                self._permission_task = asyncio.create_task(self._change_permissions())
                break
            del self._held[envelope.rev]
            self._deliver(envelope)
        if not self._must_hold():
            self._answer_held()
        self._announce_arrival()
        if self._is_missing_something():
            self._catch_up_soon()

    def _deliver(self, envelope: Envelope) -> None:
        self.rev = envelope.rev
        self._known_rev = max(self._known_rev, envelope.rev)
        self._counts.envelopes += 1
        for part in envelope.parts:
            self.channels[part.channel] = part.sequence
        if envelope.next:
            self.clients[envelope.op.rpartition(":")[0]] = ClientCounter(envelope.principal, envelope.next - 1)
        self.recent.append(envelope)
        self.audience.deliver(envelope)
        if self._outcomes:
            self._tell_outcome(envelope)
        if self._arrivals:
            self._announce_arrival()

    def _answer_held(self) -> None:
        due = [answer for answer in self._held_answers if answer.rev <= self.rev]
        if not due:
            return
        self._held_answers = [answer for answer in self._held_answers if answer.rev > self.rev]
        for answer in due:
            if answer.refusal is not None and answer.refusal.code == "resend_from":
                self._correct_counter(answer)
            self.audience.answer(answer)
            self._tell_outcome(answer)

    def _correct_counter(self, answer: Envelope) -> None:
        """The fold counts otherwise than we do: it has forgotten the client, or ops of it were lost."""
        client = answer.op.rpartition(":")[0]
        counter = self.clients.get(client)
        if counter is None or counter.principal == answer.principal:
            self.clients[client] = ClientCounter(answer.principal, answer.next - 1)

    def _tell_outcome(self, envelope: Envelope) -> None:
        for future in self._outcomes.get((envelope.principal, envelope.op), ()):
            if not future.done():
                future.set_result(envelope)

    def _forget_outcome(self, principal: str, op: str, future: asyncio.Future[Envelope]) -> None:
        waiting = self._outcomes.get((principal, op), [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._outcomes.pop((principal, op), None)

    def _announce_arrival(self) -> None:
        if self._is_unsure:
            return
        here = [future for rev, future in self._arrivals if rev <= self.rev]
        self._arrivals = [(rev, future) for rev, future in self._arrivals if rev > self.rev]
        for future in here:
            if not future.done():
                future.set_result(None)

    def _meet_generation(self, generation: int) -> None:
        """A lower one comes from an owner that does not know yet; a higher one means that the log was restored."""
        if generation > self.generation:
            self._counts.generation_changes += 1
            _log.warning("generation_changed", wedding=self.wedding, old=self.generation, new=generation)
            self.close(RoomEnd.GENERATION)

    def _catch_up_soon(self) -> None:
        if self._catch_up_task is None and self.end is None:
            self._catch_up_task = asyncio.create_task(self._catch_up())

    def _is_missing_something(self) -> bool:
        rev = self.rev
        while (envelope := self._held.get(rev + 1)) is not None and not envelope.fetch:
            rev += 1
        return self._is_unsure or rev < self._known_rev

    async def _catch_up(self) -> None:
        """Ask the owner for what came after our rev until nothing is missing; one task per room does it."""
        try:
            if not self._is_unsure:
                await asyncio.sleep(HOLE_PATIENCE_SECONDS)
            while self._is_missing_something() and self.end is None:
                self._counts.holes += not self._is_unsure
                await self._fetch_missing()
                self._advance()
        except GatewayError as failure:
            _log.warning("room_restarts", wedding=self.wedding, code=failure.code)
            self.close(RoomEnd.RESTART)
        finally:
            self._catch_up_task = None

    async def _fetch_missing(self) -> None:
        self._counts.catch_ups += 1
        try:
            since = await self._owner.since(self.wedding, rev=self.rev)
        except OwnerUnreachable:
            await asyncio.sleep(_RETRY_SECONDS)
            return
        if since.stand.generation != self.generation:
            self._meet_generation(since.stand.generation)
            return
        self._known_rev = max(self._known_rev, since.stand.rev)
        self._held.update((envelope.rev, envelope) for envelope in since.envelopes if envelope.rev > self.rev)
        self._is_unsure = False

    async def _change_permissions(self) -> None:
        """Fetch who may read what; the envelope that made it necessary waits (design D4)."""
        try:
            self._counts.permission_refreshes += 1
            permissions = await self._insist(lambda: self._owner.permissions(self.wedding))
            if permissions is None:
                return
            if permissions.stand.generation != self.generation:
                self._meet_generation(permissions.stand.generation)
                return
            self.acl = max(permissions.stand.acl, self.acl)
            self.members = permissions.members
            if withdraw(self) and self._grant_task is None:
                self._grant_task = asyncio.create_task(self._grant())
            for tell in self.on_rights_change:
                tell(self)
        finally:
            self._permission_task = None
            self._advance()

    async def _grant(self) -> None:
        """Bring gained channels to those who gained them; the room goes on meanwhile."""
        checkpoint = await self._insist(lambda: self.checkpoint(content=True))
        self._grant_task = None
        if checkpoint is not None:
            grant(self, checkpoint)

    async def _insist(self, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T | None:
        """Ask until the owner answers; None when the room ends first or the wedding is gone."""
        while self.end is None:
            try:
                return await ask()
            except OwnerUnreachable:
                await asyncio.sleep(_RETRY_SECONDS)
            except GatewayError:
                self.close(RoomEnd.RESTART)
        return None

    def _is_usable(self, checkpoint: Checkpoint, content: bool, at_least: dict[str, int]) -> bool:
        return (
            (checkpoint.chunks is not None or not content)
            and self.recent.floor <= checkpoint.rev <= self.rev <= checkpoint.rev + _CHECKPOINT_TAIL
            and all(checkpoint.channels.get(name, (0, ""))[0] >= sequence for name, sequence in at_least.items())
        )

    def _checkpoint_answered(self, content: bool, call: asyncio.Task[Checkpoint]) -> None:
        del self._checkpoint_calls[content]
        if not call.cancelled():
            # Looked at here too: everybody who asked may have gone away meanwhile.
            call.exception()

    async def _ask_checkpoint(self, content: bool) -> Checkpoint:
        state = await self._owner.state(self.wedding, content=content)
        if state.stand.generation != self.generation:
            self._meet_generation(state.stand.generation)
            raise OwnerUnreachable
        checkpoint = Checkpoint(state)
        self.notice_head(checkpoint.generation, checkpoint.rev)
        await self.reached(checkpoint.rev)
        self._checkpoint = checkpoint
        return checkpoint
