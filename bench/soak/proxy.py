"""A byte-level TCP proxy: one link from one process to one server, which can be made slow, silent, one-way or cut.

Knows bytes and nothing of what they mean. Opened by `ways`, hurt by `strike`; a healed link goes on where TCP would.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_HOST: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 64 * 1024
#: The directions of a link, seen from the process.
OUT: Final = "out"
IN: Final = "in"


class Link:
    """Listens on `port` and carries every connection to the server; `target` is asked for its port each time."""

    def __init__(self, target: Callable[[], int]) -> None:
        self.port = 0
        #: How long each piece waits before it goes on, in both directions.
        self.delay_seconds = 0.0
        #: The direction whose bytes vanish; "" for none.
        self.swallowed = ""
        self._target = target
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._carriers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; the first time on any free port, later on the same one."""
        self._server = await asyncio.start_server(self._carry, _HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End every connection and listen no more: whoever comes is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.abort()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    def abort(self) -> None:
        """End every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    def hold(self) -> None:
        """Carry nothing in either direction; what is on its way arrives after `release`."""
        self._flows.clear()

    def release(self) -> None:
        """Go on."""
        self._flows.set()

    async def heal(self) -> None:
        """Be a good network again. Connections that lost bytes end, as TCP would end them."""
        if self.swallowed:
            self.abort()
        self.swallowed, self.delay_seconds = "", 0.0
        self.release()
        if self._server is None:
            await self.open()

    async def _carry(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self._writers.add(near)
        carrier = asyncio.current_task()
        assert carrier is not None
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)
        try:
            far_reader, far = await asyncio.open_connection(_HOST, self._target())
        except OSError:
            near.transport.abort()
            self._writers.discard(near)
            return
        self._writers.add(far)
        ways = [asyncio.create_task(self._pump(near_reader, far, OUT)), asyncio.create_task(self._pump(far_reader, near, IN))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # What the one side said last before it went may still be on its way to the other.
            await asyncio.wait(ways, timeout=1.0)
        finally:
            for way in ways:
                way.cancel()
            for writer in (near, far):
                writer.transport.abort()
                self._writers.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._flows.wait()
                if self.swallowed == direction:
                    continue
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
