"""One client's conversation: hello, welcome, sync, then frames until it ends (docs/protocol.md).

The lifecycle is the table below. What a client does wrong is caught here, once per frame, and concerns that client alone.
Bytes come from gateway.sessions.websocket; where ops go is gateway.ops.submit, what comes back is written by the room's audience.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

import msgspec

from actors.contract.client_frames import (
    PROTOCOL_VERSION,
    ClientFrame,
    DataSync,
    Hello,
    Ping,
    PresenceUpdate,
    ShortFrame,
    SubmitOp,
    TokenRefresh,
)
from actors.contract.ids import is_client
from actors.contract.server_frames import Welcome
from config.settings import Settings
from gateway.access.authentication import Authentication
from gateway.access.limiter import ConnectionBudget
from gateway.counts import Counts
from gateway.errors import UNREADABLE, GatewayError, LimitMet, OwnerUnreachable, Refused
from gateway.ids import new_client
from gateway.ops.submit import Author, PresenceChange, Submitted, Submitter, read_op
from gateway.ports import PresenceHub
from gateway.rooms.hub import Hub
from gateway.rooms.room import Room
from gateway.sessions.bringing import bring, watch_over
from gateway.sessions.credentials import Credentials
from gateway.sessions.lifecycle import Phase, stepped
from gateway.sessions.sync import Sync, prepare, repair_frames
from gateway.wire.close_codes import BAD_TOKEN, CLOSE_CODES, INVALID_TEXT, TRY_LATER
from gateway.wire.formats import PACKED_PROTOCOL, is_utf8, json_of
from gateway.wire.frames import PONG, error_frame, rejected_frame, struct_frame
from gateway.wire.socket import Socket

_decoder: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)


class Session:
    """See the module. `take` gets each frame, `end` is called once when the connection is over."""

    def __init__(
        self,
        socket: Socket,
        hub: Hub,
        submitter: Submitter,
        presence: PresenceHub,
        authentication: Authentication,
        settings: Settings,
        counts: Counts,
        budget: ConnectionBudget,
    ) -> None:
        self.phase = Phase.AWAITING_HELLO
        self._socket = socket
        self._hub = hub
        self._submitter = submitter
        self._presence = presence
        self._settings = settings
        self._counts = counts
        self._room: Room | None = None
        self._budget = budget
        self._author = Author("", "websocket", "", "", budget.ops)
        self._credentials = Credentials(socket, authentication)

    async def take_packed(self, data: bytes) -> None:
        """Handle one binary frame."""
        if self._socket.closed:
            return
        try:
            if not self._socket.is_packed:
                raise GatewayError(
                    "bad_frame", "Frames are JSON text, not binary.", f"Ask for the subprotocol {PACKED_PROTOCOL}."
                )
            text = json_of(data)
        except GatewayError as error:
            self._refuse(error)
            return
        await self.take(text)

    async def take(self, data: bytes) -> None:
        """Handle one text frame; never raises for what a client sent."""
        if self._socket.closed or (frame := self._read(data)) is None:
            return
        if self.phase is Phase.AWAITING_HELLO:
            await self._take_hello(frame)
        elif self.phase is not Phase.LIVE:
            return
        elif isinstance(frame, DataSync):
            await self._take_data_sync(frame)
        else:
            self._take_live(frame)

    def take_at_once(self, data: bytes) -> bool:
        """Handle one text frame of a live session that needs no waiting; False for any other, and then nothing was done."""
        if self._socket.closed or self.phase is not Phase.LIVE:
            return False
        frame = self._read(data)
        if isinstance(frame, DataSync):
            return False
        if frame is not None:
            self._take_live(frame)
        return True

    def _read(self, data: bytes) -> ClientFrame | None:
        """The frame; None for one that cannot be read, which its client is told."""
        if not (data.isascii() or is_utf8(data)):
            # RFC 6455, 8.1. The decoder below would pass over bad bytes in members that it does not know.
            self._socket.close(INVALID_TEXT)
            return None
        try:
            return _decoder.decode(data)
        except UNREADABLE as error:
            self._refuse(GatewayError("bad_frame", f"The frame cannot be read: {error}."))
            return None

    def hello_timed_out(self) -> None:
        if self.phase is Phase.AWAITING_HELLO:
            self._socket.close(BAD_TOKEN, GatewayError("bad_token", "No hello came in time.", "Send hello as the first frame."))

    def end(self) -> None:
        """Forget the connection."""
        was_live = self.phase is Phase.LIVE
        if self.phase is not Phase.ENDED:
            self.phase = stepped(self.phase, Phase.ENDED)
        self._credentials.drop()
        if self._socket.recovery is not None:
            self._socket.recovery.cancel()
        if self._room is not None:
            self._room.audience.remove(self._socket)
            if was_live:
                self._presence.leave(self._room, self._socket)
                self._hub.left(self._socket)
            self._hub.leave(self._room)
            self._room = None

    # --- joining

    async def _take_hello(self, frame: ClientFrame) -> None:
        try:
            if not isinstance(frame, Hello):
                raise GatewayError("bad_frame", "The first frame is hello.")
            if frame.version != PROTOCOL_VERSION:
                raise GatewayError("version_unsupported")
            claims = self._credentials.check(frame)
            self._budget.sit(frame.wedding, claims.principal)
            client = frame.client or new_client(datetime.now(UTC))
            if not is_client(client):
                raise GatewayError("bad_id", "`client` is not a client id.")
            self.phase = stepped(self.phase, Phase.JOINING)
            await self._join(frame, claims.principal, client)
            self._credentials.hold()
        except GatewayError as error:
            self._socket.close(CLOSE_CODES.get(error.code, TRY_LATER), error)

    async def _join(self, hello: Hello, principal: str, client: str) -> None:
        socket = self._socket
        room = self._room = await self._hub.enter(hello.wedding)
        counter = room.clients.get(client)
        if counter is not None and counter.principal != principal:
            raise GatewayError("bad_id", "This client id is bound to somebody else.")
        while True:
            rights = room.rights(principal)
            if rights is None:
                raise GatewayError(
                    "not_allowed", "You are not a member of this wedding.", "Ask the couple or the planner to add you."
                )
            sync = await prepare(room, rights, hello.resume, self._settings.limits, self._counts)
            if room.rights(principal) == rights:
                break
        socket.wedding, socket.principal, socket.client = hello.wedding, principal, client
        socket.client_version, socket.rights, socket.role = hello.client_version[:100], rights, room.role(principal) or ""
        self._author = Author(principal, "websocket", client, socket.client_version, self._budget.ops)
        await self._send_sync(room, sync)

    async def _send_sync(self, room: Room, sync: Sync) -> None:
        socket = self._socket
        counter = room.clients.get(socket.client)
        last_op = 0 if counter is None else counter.last
        limits: dict[str, object] = dict(self._settings.limits.as_wire())
        identity = (socket.id, socket.client, socket.principal, socket.role)
        welcome = Welcome(*identity, room.generation, last_op, sync.channels, limits, self._credentials.expires_at)
        socket.write(struct_frame(welcome))
        if not await bring(socket, room, sync, self._settings.limits):
            return
        room.audience.add(socket)
        watch_over(socket, room, self._settings.limits, self._counts)
        self.phase = stepped(self.phase, Phase.LIVE)
        self._counts.sockets_opened += 1
        self._presence.join(room, socket)
        self._hub.joined(socket)

    # --- live

    def _take_live(self, frame: ShortFrame) -> None:
        try:
            match frame:
                case SubmitOp(op):
                    self._submit(op)
                case PresenceUpdate():
                    self._presence.update(self._socket, frame)
                case TokenRefresh(token):
                    self._credentials.refresh(token)
                    self._hub.renewed(self._socket)
                case Ping(channels):
                    if channels is not None and self._socket.on_claims is not None:
                        self._socket.on_claims(channels)
                    self._socket.write(PONG)
                case Hello():
                    raise GatewayError("bad_frame", "hello was said already.")
                case _:
                    assert_never(frame)
        except GatewayError as error:
            self._refuse(error)

    async def _take_data_sync(self, frame: DataSync) -> None:
        try:
            if frame.ops is not None:
                self._submit_batch(frame.ops)
            if frame.channels is not None:
                await self._repair(frame)
            if frame.ops is None and frame.channels is None:
                raise GatewayError("bad_frame", "data_sync carries `ops` or `channels`.")
        except GatewayError as error:
            self._refuse(error)

    def _submit_batch(self, ops: list[msgspec.Raw]) -> None:
        most = self._settings.limits.batch_ops
        if len(ops) > most:
            met = LimitMet("batchOps", most)
            raise GatewayError("too_large", f"A batch has at most {most} ops, this one has {len(ops)}.", met=met)
        for op in ops:
            self._submit(op)

    def _submit(self, raw: msgspec.Raw) -> None:
        """One op; what is wrong with it concerns it alone."""
        room = self._room
        assert room is not None  # noqa: S101  # a live session has its room
        try:
            op = read_op(raw, self._settings.limits)
            if isinstance(op, PresenceChange):
                self._presence.update(self._socket, PresenceUpdate(op.data))
                return
            submitted = self._submitter.submit(room, self._author, op)
            self._presence.active(self._socket)
        except Refused as refused:
            self._reject(room, refused)
            return
        if submitted.repeat:
            self._socket.repeats.add(submitted.op)
        submitted.position.add_done_callback(partial(self._on_saved, submitted))

    def _reject(self, room: Room, refused: Refused) -> None:
        if not refused.op:
            self._refuse(refused)
            return
        following = refused.next or self._submitter.following(room, self._author, refused.op)
        self._socket.write(rejected_frame(refused.op, refused.code, refused.message, refused.remedy, following, refused.met))

    def _on_saved(self, submitted: Submitted, position: asyncio.Future[int]) -> None:
        if position.cancelled():
            return
        failure = position.exception()
        if failure is None:
            self._socket.tell_saved(submitted.op)
        elif isinstance(failure, GatewayError):
            self._socket.write(rejected_frame(submitted.op, failure.code, failure.message, failure.remedy, submitted.number))

    async def _repair(self, frame: DataSync) -> None:
        self._budget.require_repair()
        room, claims = self._room, frame.channels
        if room is None or claims is None:
            return
        try:
            checkpoint = await room.checkpoint(content=True)
        except OwnerUnreachable as error:
            raise GatewayError("waking") from error
        frames = repair_frames(room, checkpoint, self._socket, claims, is_gap=frame.reason == "gap")
        self._counts.repairs_asked_by_reason[frame.reason] += 1
        self._counts.digest_mismatches += bool(frames) and frame.reason != "gap"
        for each in frames:
            self._socket.write(each)

    def _refuse(self, error: GatewayError) -> None:
        """Before `welcome` an error ends the connection, afterwards it is only told."""
        if self.phase is Phase.LIVE:
            self._socket.write(error_frame(error))
        elif self.phase is Phase.AWAITING_HELLO:
            self._socket.close(CLOSE_CODES.get(error.code, TRY_LATER), error)
