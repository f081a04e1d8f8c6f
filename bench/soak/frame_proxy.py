"""A proxy between clients and gateways that knows WebSocket frames (RFC 6455, 5.2): it delays, repeats, tears and cuts at random.

It parts frames and never looks inside one; a plain request, such as that of an undo, it only delays and cuts. Connections live
for a random time; a cut may leave the gateway's side open for a while, so that what a client said last arrives after its next
connection. Opened by `proxied`.
"""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Final, NamedTuple

_HOST: Final = "127.0.0.1"
#: In the request and in the answer that agrees to it.
_UPGRADE: Final = b"\r\nupgrade: websocket"
_END_OF_HEAD: Final = b"\r\n\r\n"
_DATA_OPCODES: Final = frozenset({1, 2})
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_LENGTH_BYTES: Final = {126: 2, 127: 8}
_MASK_BYTES: Final = 4
_WAITING_FRAMES: Final = 10_000
#: What is left of a connection after its time, each as likely: nothing, half a frame, or the gateway's side for a while.
CUT: Final = "cut"
TORN: Final = "cut within a frame"
LATE: Final = "cut with frames that arrived late"
REPEATED: Final = "frames repeated"
DELAYED: Final = "frames delayed by more than 0.1 s"


class Mischief(NamedTuple):
    """How bad the network is: the mean life of a connection, the share of frames that come twice or late, and how late."""

    life_seconds: float = 12.0
    repeated: float = 0.05
    delayed: float = 0.05
    delay_seconds: float = 1.0
    jitter_seconds: float = 0.02
    late_seconds: float = 2.0


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Read one frame as it stands, mask and all; raises IncompleteReadError at the end."""
    head = await reader.readexactly(2)
    length = head[1] & _LENGTH
    if more := _LENGTH_BYTES.get(length, 0):
        extended = await reader.readexactly(more)
        head, length = head + extended, int.from_bytes(extended, "big")
    return head + await reader.readexactly(length + (_MASK_BYTES if head[1] & _MASKED else 0))


class FrameProxy:
    """Listens on `port` and carries every connection to the gateways' port; `counts` says what it did."""

    def __init__(self, target_port: int, seed: int, mischief: Mischief) -> None:
        self.port = 0
        self.counts: Counter[str] = Counter()
        self._target_port = target_port
        self._draw = random.Random(f"frames {seed}")
        self._mischief = mischief
        self._is_calm = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._carriers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, _HOST, 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    def calm(self) -> None:
        """Be a good network from now on."""
        self._is_calm.set()

    def _accept(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        carrier = asyncio.create_task(self._carry(near_reader, near))
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)

    async def _carry(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection(_HOST, self._target_port)
        except OSError:
            near.transport.abort()
            return
        self.counts["connections"] += 1
        out, back = _Way(self, near_reader, far), _Way(self, far_reader, near)
        ways = [asyncio.create_task(out.run()), asyncio.create_task(back.run())]
        life = asyncio.create_task(self._life())
        try:
            await asyncio.wait({*ways, life}, return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                await self._cut(near, out, back)
        finally:
            for task in (*ways, life):
                task.cancel()
            for writer in (near, far):
                writer.transport.abort()

    async def _life(self) -> None:
        """Return when the connection's time has come; never while the network is good."""
        seconds = self._draw.expovariate(1 / self._mischief.life_seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_calm.wait(), seconds)
        if self._is_calm.is_set():
            await asyncio.Event().wait()

    async def _cut(self, near: asyncio.StreamWriter, out: "_Way", back: "_Way") -> None:
        kind = self._draw.choice((CUT, TORN, LATE))
        if kind == TORN:
            kind = TORN if await self._draw.choice((out, back)).tear(self._mischief.late_seconds) else CUT
        elif kind == LATE:
            near.transport.abort()
            await out.hold(self._draw.uniform(0.0, self._mischief.late_seconds))
        self.counts[kind] += 1

    def lateness_seconds(self) -> float:
        """How long the next frame waits."""
        if self._is_calm.is_set():
            return 0.0
        if self._draw.random() < self._mischief.delayed:
            self.counts[DELAYED] += 1
            return self._draw.uniform(0.1, self._mischief.delay_seconds)
        return self._draw.uniform(0.0, self._mischief.jitter_seconds)

    def times(self, frame: bytes) -> int:
        """How often a frame is sent: whole messages alone may come twice."""
        whole = frame[0] & _FINAL and frame[0] & 0x0F in _DATA_OPCODES
        if self._is_calm.is_set() or not whole or self._draw.random() >= self._mischief.repeated:
            return 1
        self.counts[REPEATED] += 1
        return 2


class _Way:
    """One direction of a connection: frames are read as they come and written late, in order."""

    def __init__(self, proxy: FrameProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_FRAMES)
        self._held_seconds = 0.0
        self._tears = self._carries_frames = False
        self._is_ended = asyncio.Event()

    async def run(self) -> None:
        """Carry until the end of either side."""
        reading = asyncio.create_task(self._read())
        try:
            await self._write()
        finally:
            reading.cancel()
            self._is_ended.set()

    async def hold(self, seconds: float) -> None:
        """Deliver what has come, this much later; returns when it is delivered."""
        self._held_seconds = seconds
        await self._is_ended.wait()

    async def tear(self, within_seconds: float) -> bool:
        """End with half of the next frame; tells whether one came in time."""
        self._tears = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_ended.wait(), within_seconds)
        return self._is_ended.is_set()

    async def _read(self) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await self._reader.readuntil(_END_OF_HEAD)
            self._carries_frames = _UPGRADE in head.lower()
            await self._frames.put(head)
            while self._carries_frames:
                await self._frames.put(await read_frame(self._reader))
            while chunk := await self._reader.read(1 << 16):
                await self._frames.put(chunk)
        await self._frames.put(None)

    async def _write(self) -> None:
        is_head = True
        with suppress(OSError):
            while (frame := await self._frames.get()) is not None:
                await asyncio.sleep(self._proxy.lateness_seconds())
                if self._held_seconds:
                    await asyncio.sleep(self._held_seconds)
                    self._held_seconds = 0.0
                if self._tears:
                    self._writer.write(frame[: len(frame) // 2])
                    await self._writer.drain()
                    return
                for _ in range(self._proxy.times(frame) if self._carries_frames and not is_head else 1):
                    self._writer.write(frame)
                await self._writer.drain()
                is_head = False
