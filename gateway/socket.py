"""One client's open WebSocket as rooms and presence see it: who it is, what it may read, and a way to write frames to it.

Frames that are written within one loop turn go to the transport together. A socket whose unsent bytes pass the limit is closed
with 4408, so that a slow reader costs bounded memory and nobody waits for it. The receiving side is gateway.session.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from actors.contract.channels import Rights, may_read
from gateway.close_codes import SLOW_READER
from gateway.errors import GatewayError
from gateway.formats import packed_frame, text_frame
from gateway.frames import close_frame, error_frame, saved_frame
from gateway.ids import new_connection_id
from gateway.tokens import TokenClaims

#: How long a peer may take over the closing handshake before the connection is cut.
CLOSE_SECONDS: Final = 3.0
#: How long `saved` waits for the next write to its socket, mostly the op's own event: a write costs more than all else in it.
SAVED_PATIENCE_SECONDS: Final = 0.01


class WriteTurn:
    """Collects the sockets that were written to in this loop turn and hands their frames over at its end, `saved` a bit later."""

    def __init__(self) -> None:
        self._written: list[Socket] = []
        self._patient: list[Socket] = []
        #: Frames of this turn in MessagePack, so that each is packed once for all sockets that take it.
        self._packed: dict[bytes, bytes] = {}

    def packed(self, frame: bytes) -> bytes:
        """The frame in MessagePack."""
        found = self._packed.get(frame)
        if found is None:
            found = self._packed[frame] = packed_frame(frame)
        return found

    def add(self, socket: "Socket") -> None:
        if not self._written:
            asyncio.get_running_loop().call_soon(self._flush)
        self._written.append(socket)

    def add_patient(self, socket: "Socket") -> None:
        if not self._patient:
            asyncio.get_running_loop().call_later(SAVED_PATIENCE_SECONDS, self._flush_patient)
        self._patient.append(socket)

    def _flush(self) -> None:
        written, self._written = self._written, []
        for socket in written:
            socket.flush()
        self._packed.clear()

    def _flush_patient(self) -> None:
        patient, self._patient = self._patient, []
        for socket in patient:
            socket.flush()


class Socket:
    """See the module. `withheld` holds the rights it had before gains that have not been brought to it yet (see may_see)."""

    __slots__ = (
        "_buffer_limit",
        "_outbox",
        "_saved_op",
        "_transport",
        "_turn",
        "client",
        "client_version",
        "close_code",
        "id",
        "is_packed",
        "on_close",
        "opened_at",
        "principal",
        "repeats",
        "rights",
        "role",
        "token",
        "wedding",
        "withheld",
    )

    def __init__(self, transport: asyncio.Transport, turn: WriteTurn, buffer_limit: int, *, is_packed: bool = False) -> None:
        self.is_packed = is_packed
        self._transport = transport
        self._turn = turn
        self._buffer_limit = buffer_limit
        self._outbox: list[bytes] = []
        self._saved_op = ""
        self.close_code: int | None = None
        #: Called soon after the close was sent; the answer to it may take as long as a slow connection likes.
        self.on_close: Callable[[], None] | None = None
        self.id = new_connection_id()
        self.opened_at = time.time()
        self.wedding = self.principal = self.client = self.client_version = self.role = ""
        self.token: TokenClaims | None = None
        self.rights: Rights = ()
        self.withheld: tuple[Rights, ...] = ()
        #: Ops that were sent again and whose old answer has not come yet: answers can be lost where envelopes cannot.
        self.repeats: set[str] = set()

    @property
    def closed(self) -> bool:
        return self.close_code is not None

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the transport could not send yet."""
        return self._transport.get_write_buffer_size()

    def may_see(self, channel: str) -> bool:
        """Tell whether live events of the channel go to this socket now."""
        if not self.withheld:
            return may_read(self.rights, channel)
        return may_read(self.rights, channel) and all(may_read(rights, channel) for rights in self.withheld)

    def send(self, payload: bytes) -> None:
        """Queue one JSON text frame."""
        self.write(text_frame(payload))

    def write(self, frame: bytes) -> None:
        """Queue one whole frame; nothing happens on a closed socket."""
        if self.close_code is not None:
            return
        if not self._outbox:
            self._turn.add(self)
        self._outbox.append(frame)

    def tell_saved(self, op: str) -> None:
        """Let the next write begin with `saved`; it speaks for the client's earlier ops too, so only the last is told."""
        if not self._saved_op and self.close_code is None:
            self._turn.add_patient(self)
        self._saved_op = op

    def flush(self) -> None:
        """Hand the queued frames over; closes the socket when too much is unsent."""
        frames = self._outbox
        if self._saved_op:
            frames.insert(0, saved_frame(self._saved_op))
            self._saved_op = ""
        if not frames:
            return
        self._outbox = []
        if self.is_packed:
            frames = [self._turn.packed(frame) for frame in frames]
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if transport.get_write_buffer_size() > self._buffer_limit and self.close_code is None:
            self.close(SLOW_READER)

    async def drained(self) -> None:
        """Wait until little is unsent; for large states, which would pass the limit at once."""
        self.flush()
        while self._is_full():  # noqa: ASYNC110  # the transport belongs to aiohttp, whose flow control cannot be shared
            await asyncio.sleep(0.01)

    def _is_full(self) -> bool:
        is_open = self.close_code is None and not self._transport.is_closing()
        return is_open and self.buffered_bytes > self._buffer_limit // 4

    def close(self, code: int, error: GatewayError | None = None) -> None:
        """Send what is queued, the error if there is one, and the close; a second call does nothing.

        The connection ends when the client has answered the close, so that it surely learns the code, or is cut after a while.
        """
        if self.close_code is not None:
            return
        if error is not None:
            self.write(error_frame(error.code, error.message, error.remedy))
        self.write(close_frame(code))
        self.close_code = code
        self.flush()
        loop = asyncio.get_running_loop()
        loop.call_later(CLOSE_SECONDS, self._transport.abort)
        if self.on_close is not None:
            loop.call_soon(self.on_close)
