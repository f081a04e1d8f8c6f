"""`ensureConsistency` of one wedding: the owner's copies, every gateway's room, every client, in one report; and a quiet watch.

Asked by the HTTP API at any gateway, which asks the owner and then all gateways over core NATS. The watch compares one idle room
at a time with its owner, so that a cache that rotted is found without anybody asking.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import structlog

from actors.contract.consistency import Finding, GatewayAnswer, GatewayOrder, Heads
from actors.contract.subjects import audits_subject
from config.settings import Settings
from gateway.counts import Counts
from gateway.errors import GatewayError, OwnerUnreachable, Stand
from gateway.rooms.hub import Hub
from gateway.rooms.owner import Owner
from gateway.rooms.room import Room
from gateway.rooms.room_audit import CLAIMS_SECONDS, REACHED_SECONDS, audit_room, judge_kept
from store.bus import Bus, BusSubscription, Message
from store.errors import StoreError

#: How long a gateway may take to say that it is there, and after that to say what it found.
PRESENT_SECONDS: Final = 0.5
_FOUND_SECONDS: Final = REACHED_SECONDS + CLAIMS_SECONDS + 4.0
#: One idle room is looked at so often, and the same one at most every ten minutes unless it changed.
WATCH_SECONDS: Final = 5.0
_SAME_ROOM_SECONDS: Final = 600.0
_encode = msgspec.json.Encoder().encode
_decode_order = msgspec.json.Decoder(GatewayOrder).decode
_decode_answer = msgspec.json.Decoder(GatewayAnswer).decode
_log = structlog.get_logger()


class Report(NamedTuple):
    """Everything that was found about one wedding; `heads` are what is true, where the owner stood."""

    stand: Stand
    heads: Heads
    findings: list[Finding]


class Audits:
    """See the module."""

    def __init__(self, bus: Bus, hub: Hub, owner: Owner, settings: Settings, counts: Counts) -> None:
        self._bus = bus
        self._hub = hub
        self._owner = owner
        self._counts = counts
        self._gateway = settings.gateway_id
        self._subject = audits_subject(settings.region)
        self._subscription: BusSubscription | None = None
        self._watching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        #: When a room was looked at, and at which rev.
        self._looked_at: dict[str, tuple[float, int]] = {}

    async def start(self) -> None:
        """Listen to orders, and watch."""
        self._subscription = await self._bus.subscribe(self._subject, self._on_order)
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        tasks = [*self._tasks, *([] if self._watching is None else [self._watching])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def ensure(self, wedding: str, *, repair: bool) -> Report:
        """Compare all copies of a wedding, and with `repair` mend those that differ; raises GatewayError."""
        stand, report = await self._owner.audit(wedding, repair=repair)
        for finding in report.findings:
            if finding.agrees is False:
                self._counts.divergences_by_place[finding.place] += 1
            self._counts.repairs_by_place[finding.place] += finding.repaired
        reply = f"_INBOX_gateway.audit.{secrets.token_hex(8)}"
        order = GatewayOrder(wedding, stand.generation, report.rev, report.heads, repair, reply)
        try:
            findings = await self._ask_gateways(order)
        except StoreError as error:
            raise OwnerUnreachable from error
        return Report(stand, report.heads, [*report.findings, *findings])

    async def _ask_gateways(self, order: GatewayOrder) -> list[Finding]:
        present: set[str] = set()
        found: dict[str, tuple[Finding, ...]] = {}
        everybody = asyncio.Event()

        async def take(message: Message) -> None:
            answer = _decode_answer(message.data)
            present.add(answer.gateway)
            if not answer.more:
                found[answer.gateway] = answer.findings
            if present == found.keys():
                everybody.set()

        subscription = await self._bus.subscribe(order.reply, take)
        try:
            await self._bus.barrier()
            await self._bus.publish(self._subject, _encode(order))
            await asyncio.sleep(PRESENT_SECONDS)
            if present != found.keys():
                everybody.clear()
                await asyncio.wait_for(everybody.wait(), _FOUND_SECONDS)
        except TimeoutError:
            pass
        finally:
            await subscription.unsubscribe()
        silent = [Finding("gateway", None, name, reason="it did not answer") for name in sorted(present - found.keys())]
        return [finding for name in sorted(found) for finding in found[name]] + silent

    async def _on_order(self, message: Message) -> None:
        task = asyncio.create_task(self._obey(_decode_order(message.data)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _obey(self, order: GatewayOrder) -> None:
        try:
            await self._bus.publish(order.reply, _encode(GatewayAnswer(self._gateway, more=True)))
            room = self._hub.rooms.get(order.wedding)
            findings: list[Finding] = []
            if room is not None and room.generation == order.generation and room.ended_with is None:
                findings = await audit_room(room, order, self._counts, self._gateway)
            await self._bus.publish(order.reply, _encode(GatewayAnswer(self._gateway, tuple(findings))))
        except StoreError as error:
            _log.warning("audit_not_answered", wedding=order.wedding, error=str(error))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for room in self._idle_rooms():
                try:
                    await self.look_at(room)
                except GatewayError as error:
                    _log.debug("watch_put_off", wedding=room.wedding, error=str(error))
                break

    def _idle_rooms(self) -> Iterator[Room]:
        """Yield the rooms that nobody has looked at since they changed, or not for long."""
        now = time.monotonic()
        self._looked_at = {wedding: each for wedding, each in self._looked_at.items() if wedding in self._hub.rooms}
        for wedding, room in self._hub.rooms.items():
            looked_at, rev = self._looked_at.get(wedding, (0.0, -1))
            if room.checkpoints.kept() and (rev != room.rev or now - looked_at > _SAME_ROOM_SECONDS):
                yield room

    async def look_at(self, room: Room) -> Finding:
        """Compare what a room keeps with its owner's digests, and drop it where it differs; raises GatewayError."""
        self._looked_at[room.wedding] = (time.monotonic(), room.rev)
        finding = judge_kept(room, await self._owner.digest(room.wedding), self._gateway)
        if finding.agrees is False:
            _log.error("cache_differs", wedding=room.wedding, channels=sorted(finding.channels))
            self._counts.divergences_by_place["gateway"] += 1
            self._counts.repairs_by_place["gateway"] += 1
            room.checkpoints.forget()
        return finding
