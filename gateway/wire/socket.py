"""One client's open WebSocket as rooms and presence see it: who it is, what it may read, and a way to write frames to it.

Frames that are written within one loop turn go to the transport together. A slow reader costs bounded memory and nobody waits for
it: presence goes first (gateway.presence), from three quarters of the limit on it gets no events (bringing), and beyond the
limit it is closed with 4408. The receiving side is gateway.sessions.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from actors.contract.channels import Rights, may_read
from actors.contract.client_frames import ChannelClaim
from gateway.access.tokens import TokenClaims
from gateway.errors import GatewayError
from gateway.ids import new_connection_id
from gateway.wire.close_codes import INTERNAL_ERROR, SLOW_READER
from gateway.wire.formats import packed_frame, text_frame
from gateway.wire.frames import close_frame, error_frame, saved_frame

log = structlog.get_logger()

#: How long a peer may take over the closing handshake before the connection is cut.
CLOSE_SECONDS: Final = 3.0
#: How long at least `saved` waits for the next write to its socket, mostly the op's own event, and at most twice as long: a
#: write costs more than all else in it, and under load an event takes longer.
SAVED_PATIENCE_SECONDS: Final = 0.015
#: The same for what a socket is told of its own words: most often somebody else's come meanwhile.
ECHO_PATIENCE_SECONDS: Final = 0.050

#: The transport belongs to aiohttp, whose flow control cannot be shared: how often to look whether a slow reader has read.
_DRAIN_POLL_SECONDS: Final = 0.01


class Patience:
    """Sockets with something to say that may wait for their next write: at least so long, and at most twice as long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: Who came since this turn of the timer, and since the one before.
        self._came: list[Socket] = []
        self._waited: list[Socket] = []

    def add(self, socket: "Socket") -> None:
        if not self._came and not self._waited:
            asyncio.get_running_loop().call_later(self._seconds, self.end_turn)
        self._came.append(socket)

    def end_turn(self) -> None:
        """Let those say it who have waited for a whole turn."""
        due, self._waited, self._came = self._waited, self._came, []
        if self._waited:
            asyncio.get_running_loop().call_later(self._seconds, self.end_turn)
        _flush_each(due)


class WriteTurn:
    """Collects the sockets that were written to in this loop turn and hands their frames over at its end, what may wait later."""

    def __init__(self) -> None:
        self.saved = Patience(SAVED_PATIENCE_SECONDS)
        self.echoes = Patience(ECHO_PATIENCE_SECONDS)
        self._written: list[Socket] = []
        self._writers: deque[Callable[[], None]] = deque()
        self._is_due = False
        #: Frames of this turn in MessagePack, so that each is packed once for all sockets that take it.
        self._packed: dict[bytes, bytes] = {}

    def packed(self, frame: bytes) -> bytes:
        """The frame in MessagePack."""
        found = self._packed.get(frame)
        if found is None:
            found = self._packed[frame] = packed_frame(frame)
        return found

    def add(self, socket: "Socket") -> None:
        self._come()
        self._written.append(socket)

    def before_end(self, write: Callable[[], None]) -> None:
        """Call this at the end of the turn, so that what comes until then is in what it writes."""
        self._come()
        self._writers.append(write)

    def _come(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        while self._writers:
            write = self._writers.popleft()
            try:
                write()
            except Exception:
                log.exception("write_failed")
        self._is_due = False
        written, self._written = self._written, []
        _flush_each(written)
        self._packed.clear()


def _flush_each(sockets: "Iterable[Socket]") -> None:
    """Hand over what each has to say; a socket whose frames cannot be sent is closed, and those behind it hear theirs."""
    for socket in sockets:
        try:
            socket.flush()
        except Exception:
            log.exception("socket_flush_failed", wedding=socket.wedding, principal=socket.principal)
            socket.close(INTERNAL_ERROR)


class Socket:
    """See the module. `withheld` holds the rights it had before gains that have not been brought to it yet (see may_see)."""

    __slots__ = (
        "_buffer_limit",
        "_is_draining",
        "_is_due",
        "_missed_answers",
        "_outbox",
        "_saved_op",
        "_stale_from",
        "_transport",
        "_turn",
        "client",
        "client_version",
        "close_code",
        "id",
        "is_packed",
        "is_stale",
        "on_claims",
        "on_close",
        "on_full",
        "opened_at",
        "principal",
        "recovery",
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
        self._stale_from = buffer_limit * 3 // 4
        self._outbox: list[bytes] = []
        self._is_due = self._is_draining = False
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
        #: Called with what the client says that it holds, when it was asked to (gateway.rooms.room_audit).
        self.on_claims: Callable[[dict[str, ChannelClaim]], None] | None = None
        #: Called after a flush that left too much unsent; None before the socket is live.
        self.on_full: Callable[[], None] | None = None
        #: It read too slowly and gets no events until it is resumed by `recovery`.
        self.is_stale = False
        self.recovery: asyncio.Task[None] | None = None
        self._missed_answers: list[str] = []

    @property
    def closed(self) -> bool:
        return self.close_code is not None

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the transport could not send yet."""
        return self._transport.get_write_buffer_size()

    def may_see(self, channel: str) -> bool:
        """Tell whether live events of the channel go to this socket now."""
        if self.is_stale:
            return False
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
        if not self._is_due:
            self._is_due = True
            self._turn.add(self)
        self._outbox.append(frame)

    def write_patiently(self, frame: bytes) -> None:
        """Queue one whole frame that may wait for the next one."""
        if self.close_code is not None:
            return
        if not self._outbox:
            self._turn.echoes.add(self)
        self._outbox.append(frame)

    def tell_saved(self, op: str) -> None:
        """Let the next write begin with `saved`; it speaks for the client's earlier ops too, so only the last is told."""
        if self.close_code is not None:
            return
        if not self._saved_op:
            self._turn.saved.add(self)
        self._saved_op = op

    def flush(self) -> None:
        """Hand the queued frames over, and see how much is unsent."""
        frames, self._is_due = self._outbox, False
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
        unsent = transport.get_write_buffer_size()
        if unsent > self._stale_from and self.close_code is None:
            self._meet_slowness(unsent)

    def _meet_slowness(self, unsent: int) -> None:
        """The first time a live socket is only left behind, however much one turn brought; then the limit holds."""
        if self.on_full is not None and not self.is_stale:
            self.on_full()
        elif unsent > self._buffer_limit and not self._is_draining:
            self.close(SLOW_READER)

    async def drained(self, within_seconds: float) -> None:
        """Wait until little is unsent: for large states, which would pass the limit at once, and for stale sockets.

        Meanwhile the time is bounded and not the bytes: who reads so slowly that it takes longer is closed with 4408.
        """
        self._is_draining = True
        try:
            self.flush()
            loop = asyncio.get_running_loop()
            until = loop.time() + within_seconds
            while self._is_full():
                if loop.time() > until:
                    self.close(SLOW_READER)
                await asyncio.sleep(_DRAIN_POLL_SECONDS)
        finally:
            self._is_draining = False

    def _is_full(self) -> bool:
        is_open = self.close_code is None and not self._transport.is_closing()
        return is_open and self.buffered_bytes > self._buffer_limit // 4

    def miss_answer(self, op: str) -> None:
        """Remember an op of this client that was applied while its events could not come here."""
        self._missed_answers.append(op)

    def take_missed_answers(self) -> list[str]:
        """The ops of `miss_answer`, which are forgotten."""
        missed, self._missed_answers = self._missed_answers, []
        return missed

    def close(self, code: int, error: GatewayError | None = None) -> None:
        """Send what is queued, the error if there is one, and the close; a second call does nothing.

        The connection ends when the client has answered the close, so that it surely learns the code, or is cut after a while.
        """
        if self.close_code is not None:
            return
        if error is not None:
            self.write(error_frame(error))
        self.write(close_frame(code))
        self.close_code = code
        self.flush()
        loop = asyncio.get_running_loop()
        loop.call_later(CLOSE_SECONDS, self._transport.abort)
        if self.on_close is not None:
            loop.call_soon(self.on_close)
