"""One wedding at one gateway: its envelopes in order and without holes, its permissions, and what joins are served from.

Core NATS is at most once (design D8), so the room holds what comes too early, fetches what is missing from the owner, and asks
before it trusts a silence. An envelope with newer permissions waits until they are fetched (design D4). The hub makes rooms and
feeds them; sessions, intake and HTTP routes use them. Nothing here parses client frames.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import structlog

from actors.contract.calls import ClientCounter, Member
from actors.contract.channels import SERVICE_RIGHTS, Rights, channel_of
from actors.contract.envelopes import Envelope
from actors.contract.ids import SERVICE_PRINCIPALS, partition_of
from actors.contract.subjects import WEDDING
from config.settings import Settings
from gateway.counts import Counts
from gateway.errors import GatewayError, OwnerUnreachable, Stand
from gateway.rooms.audience import Audience
from gateway.rooms.checkpoint import Checkpoint
from gateway.rooms.checkpoints import Checkpoints
from gateway.rooms.order import EnvelopeOrder, count_op
from gateway.rooms.owner import Owner, Permissions, WeddingState
from gateway.rooms.permission_change import grant, withdraw
from gateway.rooms.recent import RecentEnvelopes
from gateway.rooms.waiting import Arrivals, Outcomes
from gateway.wire.close_codes import GENERATION_CHANGED, RESTART

#: A hole may be mere disorder or a head ahead of its envelope: wait this long before the owner is asked.
HOLE_PATIENCE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 0.1
_ROLE_OF_SERVICES: Final = "planner"
_FIRST_CHANNEL: Final = channel_of("wedding", {})
_T = TypeVar("_T")
_log = structlog.get_logger()


class Room:
    """See the module. `rev`, `acl` and `generation` never reach a client, `generation` in `welcome` excepted."""

    def __init__(self, wedding: str, owner: Owner, settings: Settings, counts: Counts, state: WeddingState) -> None:
        self.wedding = wedding
        self.partition = partition_of(wedding, settings.partitions)
        self.log_prefix = f"log.{settings.region}.{self.partition}.{WEDDING}.{wedding}."
        self.generation = state.stand.generation
        self.acl = state.stand.acl
        self.members: dict[str, Member] = state.head.members
        self.clients: dict[str, ClientCounter] = state.head.clients
        self.channels: dict[str, int] = {channel: sequence for channel, (sequence, _) in state.head.channels.items()}
        limits = settings.limits
        self.recent = RecentEnvelopes(state.stand.rev, most=4 * limits.resume_events, most_bytes=2 * limits.resume_bytes)
        self.audience = Audience(counts)
        #: The close code with which the room ended; a new room takes its place.
        self.ended_with: int | None = None
        #: Something may have been lost without a trace: nothing goes out until the owner has been asked.
        self.is_unsure = False
        #: Called when members' rights have changed, after their sockets have been told.
        self.on_rights_change: list[Callable[[Room], None]] = []
        #: How many are inside, and how often somebody entered; the hub counts.
        self.visitors = 0
        self.visits = 0
        #: The highest number of each client that this gateway has sent towards the log; the submitter counts.
        self.forwarded: dict[str, int] = {}
        self._owner = owner
        self._counts = counts
        self._order = EnvelopeOrder(state.stand.rev)
        self.checkpoints = Checkpoints(self, owner, self.recent, state)
        self._outcomes = Outcomes()
        self._arrivals = Arrivals()
        self._catch_up_task: asyncio.Task[None] | None = None
        self._permission_task: asyncio.Task[None] | None = None
        self._grant_task: asyncio.Task[None] | None = None

    # --- who is here and what they may do

    @property
    def rev(self) -> int:
        """The rev of the last delivered envelope."""
        return self._order.rev

    @property
    def exists(self) -> bool:
        """Whether the wedding has its item, whose channel nobody else writes."""
        return _FIRST_CHANNEL in self.channels

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
        return self._outcomes.wait_for(principal, op)

    # --- envelopes in order

    def receive(self, envelope: Envelope) -> None:
        """Take what came over the bus, in any order and any number of times."""
        if self.ended_with is not None:
            return
        self._owner.saw(self.partition, envelope.position)
        order = self._order
        if envelope.generation != self.generation:
            self._meet_generation(envelope.generation)
        elif envelope.decided and envelope.rev <= order.rev:
            # Of a second owner, late or awake again (design D2).
            self._counts.stale_envelopes += 1
        elif envelope.decided and envelope.rev == order.rev + 1 and self._may_pass(envelope):
            self._deliver(envelope)
        else:
            order.hold(envelope)
            self._advance()

    def notice_head(self, generation: int, rev: int) -> None:
        """The owner is known to stand at `rev`; what does not arrive soon is fetched."""
        if generation != self.generation:
            self._meet_generation(generation)
        elif self._order.learn(rev):
            self._catch_up_soon()

    def become_unsure(self) -> None:
        """See `is_unsure`."""
        self.is_unsure = True
        self._catch_up_soon()

    async def reached(self, rev: int) -> None:
        """Return when everything up to `rev` was delivered; raises OwnerUnreachable when the room ends first."""
        if self.ended_with is not None:
            raise OwnerUnreachable
        if self.rev < rev or self.is_unsure:
            await self._arrivals.wait_for(rev)

    # --- states for joins, grants and repairs

    async def checkpoint(self, *, content: bool, rev: int = 0, at_least: Mapping[str, int] | None = None) -> Checkpoint:
        """See Checkpoints.get."""
        return await self.checkpoints.get(content=content, rev=rev, at_least=at_least or {})

    async def events(self, wanted: dict[str, tuple[int, int]]) -> dict[str, list[bytes] | None]:
        """See Checkpoints.events."""
        return await self.checkpoints.events(wanted)

    def close(self, code: int) -> None:
        """End the room: its sockets are closed with this code and come back to a new one."""
        if self.ended_with is not None:
            return
        self.ended_with = code
        for task in (self._catch_up_task, self._permission_task, self._grant_task):
            if task is not None:
                task.cancel()
        self._arrivals.give_up()
        for socket in list(self.audience.sockets):
            socket.close(code)

    # --- inside

    def _may_pass(self, envelope: Envelope) -> bool:
        """Whether the envelope of the next rev may go out without any detour."""
        return self._order.is_empty and not self._must_hold() and envelope.acl <= self.acl and not envelope.fetch

    def _must_hold(self) -> bool:
        return self.is_unsure or self._permission_task is not None

    def _advance(self) -> None:
        """Deliver everything that is due and see to it that what is missing comes."""
        order = self._order
        while not self._must_hold() and self.ended_with is None and (envelope := order.following()) is not None:
            if envelope.acl > self.acl:
                self._permission_task = asyncio.create_task(self._change_permissions())
            else:
                self._deliver(envelope)
        if not self._must_hold():
            for answer in order.take_due_answers():
                self._answer(answer)
        if not self.is_unsure:
            self._arrivals.tell(self.rev)
        if self.is_unsure or order.is_missing():
            self._catch_up_soon()

    def _deliver(self, envelope: Envelope) -> None:
        self._order.delivered(envelope)
        self._counts.envelopes += 1
        for part in envelope.parts:
            self.channels[part.channel] = part.sequence
        if envelope.next:
            count_op(self.clients, envelope)
        self.recent.append(envelope)
        self.audience.deliver(envelope)
        if self._outcomes:
            self._outcomes.tell(envelope)
        if self._arrivals:
            self._arrivals.tell(self.rev)

    def _answer(self, answer: Envelope) -> None:
        if answer.refusal is not None and answer.refusal.code == "resend_from":
            # The fold counts otherwise than we do: it has forgotten the client, or ops of it were lost.
            client = answer.op.rpartition(":")[0]
            counter = self.clients.get(client)
            if counter is None or counter.principal == answer.principal:
                self.clients[client] = ClientCounter(answer.principal, answer.next - 1)
                self.forwarded.pop(client, None)
        self.audience.answer(answer)
        self._outcomes.tell(answer)

    def _meet_generation(self, generation: int) -> None:
        """A lower one comes from an owner that does not know yet; a higher one means that the log was restored."""
        if generation > self.generation:
            self._counts.generation_changes += 1
            _log.warning("generation_changed", wedding=self.wedding, old=self.generation, new=generation)
            self.close(GENERATION_CHANGED)

    def _check_generation(self, stand: Stand) -> None:
        """Raise OwnerUnreachable for an answer about another incarnation of the log."""
        if stand.generation != self.generation:
            self._meet_generation(stand.generation)
            raise OwnerUnreachable

    def _catch_up_soon(self) -> None:
        if self._catch_up_task is None and self.ended_with is None:
            self._catch_up_task = asyncio.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        """Ask the owner for what came after our rev until nothing is missing; one task per room does it."""
        try:
            if not self.is_unsure:
                await asyncio.sleep(HOLE_PATIENCE_SECONDS)
            while (self.is_unsure or self._order.is_missing()) and self.ended_with is None:
                self._counts.holes += not self.is_unsure
                await self._fetch_missing()
                self._advance()
        except GatewayError as failure:
            _log.warning("room_restarts", wedding=self.wedding, code=failure.code)
            self.close(RESTART)
        finally:
            self._catch_up_task = None

    async def _fetch_missing(self) -> None:
        self._counts.catch_ups += 1
        try:
            since = await self._owner.since(self.wedding, rev=self.rev)
            self._check_generation(since.stand)
        except OwnerUnreachable:
            await asyncio.sleep(_RETRY_SECONDS)
            return
        self._order.learn(since.stand.rev)
        for envelope in since.envelopes:
            self._order.hold(envelope)
        self.is_unsure = False

    async def _change_permissions(self) -> None:
        """Fetch who may read what; the envelope that made it necessary waits (design D4)."""
        try:
            self._counts.permission_refreshes += 1
            permissions = await self._insist(self._ask_permissions)
            if permissions is None:
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

    async def _ask_permissions(self) -> Permissions:
        permissions = await self._owner.permissions(self.wedding)
        self._check_generation(permissions.stand)
        return permissions

    async def _grant(self) -> None:
        """Bring gained channels to those who gained them; the room goes on meanwhile."""
        await self._insist(self._try_to_grant)
        self._grant_task = None

    async def _try_to_grant(self) -> None:
        grant(self, await self.checkpoint(content=True))

    async def _insist(self, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T | None:
        """Ask until the owner answers; None when the room ends first or the wedding is gone."""
        while self.ended_with is None:
            try:
                return await ask()
            except OwnerUnreachable:
                await asyncio.sleep(_RETRY_SECONDS)
            except GatewayError:
                self.close(RESTART)
        return None
