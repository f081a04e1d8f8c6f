"""The rooms of this gateway: opened for the first visitor, fed from the bus, dropped some seconds after the last one (design D8).

Watches the heads beacon for lost last envelopes, and makes rooms ask their owner after a reconnect or a silence. Sessions,
HTTP routes and the intake enter rooms here.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from actors.contract.calls import StateHead
from actors.contract.envelopes import Envelope, Heads
from actors.contract.server_frames import Goaway
from actors.contract.subjects import WEDDING, fan_subject, heads_subject
from config.settings import Settings
from gateway.access.revocations import means
from gateway.counts import Counts
from gateway.errors import OwnerUnreachable, TokenError, WeddingUnknown
from gateway.ports import ConnectionObserver
from gateway.rooms.owner import Owner, WeddingState
from gateway.rooms.room import Room
from gateway.rooms.room_caches import RoomCaches
from gateway.wire.close_codes import BAD_TOKEN, RESTART
from gateway.wire.frames import struct_frame
from gateway.wire.socket import Socket
from store.bus import Bus, BusSubscription, Message
from store.errors import StoreError
from store.revocations import Revocation

#: A room stays this long after its last visitor: reloads and HTTP clients come back at once.
LINGER_SECONDS: Final = 10.0
_WATCH_SECONDS: Final = 0.5
_SEND_AWAY_POLL_SECONDS: Final = 0.02
#: Who does not leave at its moment is closed so much later.
_SEND_AWAY_GRACE_SECONDS: Final = 0.25

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_heads = msgspec.json.Decoder(Heads).decode
_log = structlog.get_logger()


class Hub:
    """See the module."""

    def __init__(self, bus: Bus, owner: Owner, settings: Settings, counts: Counts) -> None:
        self._bus = bus
        self._owner = owner
        self._settings = settings
        self._counts = counts
        self.rooms: dict[str, Room] = {}
        self.observers: list[ConnectionObserver] = []
        #: Called with a room whose members' rights have changed.
        self.on_rights_change: list[Callable[[Room], None]] = []
        self.open_sockets = 0
        self.caches = RoomCaches(settings.limits.cache_bytes_per_gateway, settings.limits.cache_bytes_per_room)
        self._opening: dict[str, asyncio.Task[Room]] = {}
        self._subscriptions: dict[Room, BusSubscription] = {}
        self._heads: BusSubscription | None = None
        self._heard: dict[int, float] = {}
        self._beacon_at = -math.inf
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Listen to the heads beacon."""
        self._heads = await self._bus.subscribe(heads_subject(self._settings.region, "*"), self._on_heads)
        self._bus.on_reconnect.append(self._on_reconnect)
        self._watch = asyncio.create_task(self._watch_silence())

    @property
    def hears_hosts(self) -> bool:
        """Whether any host has told its heads lately; without one ops are saved and nobody decides them."""
        return time.monotonic() - self._beacon_at < self._settings.heads_silence_seconds

    def end_revoked(self, revocation: Revocation) -> None:
        """Close the sockets whose token it means."""
        room = self.rooms.get(revocation.wedding)
        for socket in (*room.audience.sockets, *room.audience.arriving) if room is not None else ():
            token = socket.token
            if token is not None and means(revocation, token):
                socket.close(BAD_TOKEN, TokenError(message="The token has been revoked."))

    async def send_away(self, within_seconds: float) -> None:
        """Ask every client to come back elsewhere, each at a moment of its own within this time, and close who is still here."""
        sockets = [socket for room in self.rooms.values() for socket in room.audience.sockets]
        random.shuffle(sockets)
        loop = asyncio.get_running_loop()
        for number, socket in enumerate(sockets):
            # One after the other in random order, so that they come to the next gateway evenly.
            seconds = (number + random.random()) / len(sockets) * within_seconds  # noqa: S311  # spreads load, guards nothing
            socket.write(struct_frame(Goaway("restart", int(within_seconds * 1000), int(seconds * 1000))))
            loop.call_later(min(seconds + _SEND_AWAY_GRACE_SECONDS, within_seconds), socket.close, RESTART)
        until = loop.time() + within_seconds
        while self.open_sockets and loop.time() < until:  # noqa: ASYNC110  # once in a life
            await asyncio.sleep(_SEND_AWAY_POLL_SECONDS)

    async def stop(self) -> None:
        """End every room; its sockets are told to come back. May be called again for rooms that were opened meanwhile."""
        if self._watch is not None:
            self._watch.cancel()
        for room in list(self.rooms.values()):
            self._drop(room, RESTART)
        if self._heads is not None:
            await self._heads.unsubscribe()
            self._heads = None
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def enter(self, wedding: str, *, founding: bool = False) -> Room:
        """Return the room; every enter needs its leave. Raises WeddingUnknown (not when `founding`) or OwnerUnreachable."""
        while True:
            room = self.rooms.get(wedding)
            if room is not None and room.ended_with is None:
                break
            opening = self._opening.get(wedding)
            if opening is None:
                opening = self._opening[wedding] = asyncio.create_task(self._open(wedding))
                opening.add_done_callback(partial(self._opened, wedding))
            await asyncio.shield(opening)
        if not (founding or room.exists):
            self._linger(room)
            raise WeddingUnknown
        room.visitors += 1
        room.visits += 1
        return room

    def leave(self, room: Room) -> None:
        room.visitors -= 1
        self._linger(room)

    @asynccontextmanager
    async def visit(self, wedding: str, *, founding: bool = False) -> AsyncIterator[Room]:
        """Enter for the length of a block."""
        room = await self.enter(wedding, founding=founding)
        try:
            yield room
        finally:
            self.leave(room)

    def joined(self, socket: Socket) -> None:
        for observer in self.observers:
            observer.joined(socket)

    def renewed(self, socket: Socket) -> None:
        for observer in self.observers:
            observer.renewed(socket)

    def left(self, socket: Socket) -> None:
        for observer in self.observers:
            observer.left(socket)

    async def _open(self, wedding: str) -> Room:
        """Subscribe first, then ask: what comes in between waits and is sorted out by its rev."""
        early: list[Envelope] = []
        feed: list[Room] = []

        async def on_envelope(message: Message) -> None:
            envelope = _decode_envelope(message.data)
            if feed:
                feed[0].receive(envelope)
            else:
                early.append(envelope)

        subject = fan_subject(self._settings.region, WEDDING, wedding, self._settings.partitions)
        try:
            subscription = await self._bus.subscribe(subject, on_envelope)
            try:
                await self._bus.barrier()
                state = await self._first_state(wedding)
            except BaseException:
                await subscription.unsubscribe()
                raise
        except StoreError as failure:
            raise OwnerUnreachable from failure
        room = Room(wedding, self._owner, self._settings, self._counts, state)
        room.on_rights_change = self.on_rights_change
        room.checkpoints.caches = self.caches
        self.caches.used(room.checkpoints)
        self._subscriptions[room] = subscription
        self.rooms[wedding] = room
        self._heard.setdefault(room.partition, time.monotonic())
        feed.append(room)
        for envelope in early:
            room.receive(envelope)
        return room

    async def _first_state(self, wedding: str) -> WeddingState:
        try:
            return await self._owner.state(wedding, content=False)
        except WeddingUnknown as unknown:
            if unknown.stand is None:
                raise
            return WeddingState(unknown.stand, StateHead({}, {}, {}), None)

    def _opened(self, wedding: str, opening: asyncio.Task[Room]) -> None:
        del self._opening[wedding]
        if not opening.cancelled() and opening.exception() is None:
            # Those who asked may have gone away meanwhile.
            self._linger(opening.result())

    def _linger(self, room: Room) -> None:
        if room.visitors == 0:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._drop_if_empty, room, room.visits)

    def _drop_if_empty(self, room: Room, visits: int) -> None:
        if room.visitors == 0 and room.visits == visits:
            self._drop(room, RESTART)

    def _drop(self, room: Room, code: int) -> None:
        room.close(code)
        self.caches.forget(room.checkpoints)
        if self.rooms.get(room.wedding) is room:
            del self.rooms[room.wedding]
        subscription = self._subscriptions.pop(room, None)
        if subscription is not None:
            self._run(subscription.unsubscribe())

    async def _on_heads(self, message: Message) -> None:
        heads = _decode_heads(message.data)
        self._heard[heads.partition] = self._beacon_at = time.monotonic()
        self._owner.saw(heads.partition, heads.position)
        for head in heads.heads:
            room = self.rooms.get(head.id) if head.kind == WEDDING else None
            if room is not None:
                room.notice_head(heads.generation, head.rev)

    def _on_reconnect(self) -> None:
        """What was sent while we were away is lost, and so may be answers to ops that were sent again."""
        for room in list(self.rooms.values()):
            room.become_unsure()
            room.audience.close_those_who_wait_for_answers()

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self.caches.settle()
            oldest = time.monotonic() - self._settings.heads_silence_seconds
            silent = {partition for partition, heard in self._heard.items() if heard < oldest}
            for room in list(self.rooms.values()):
                if room.ended_with is not None:
                    self._drop(room, room.ended_with)
                elif room.partition in silent:
                    room.become_unsure()
            # Asked once per silence: the answer is as good as a beacon.
            self._heard.update(dict.fromkeys(silent, time.monotonic()))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
