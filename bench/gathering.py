"""Many members of one wedding in this process, on bare sockets: who hears which op when. For the loads `stalled` and `joins`."""

from __future__ import annotations

import asyncio
import socket as sockets
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from bench.load_socket import LoadSocket
from bench.wedding_load import MemberPlan

_AT_ONCE: Final = 50
_JOINED_WITHIN_SECONDS: Final = 60.0
_LITTLE_ROOM_BYTES: Final = 4096


class Gathering:
    """Opens sockets and notes every arrival: `delays_seconds` since the op was sent, by op; `disturbances` by what came."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self._address = (address.hostname, address.port)
        self.members: list[LoadSocket] = []
        self.delays_seconds: dict[bytes, list[float]] = {}
        self.disturbances: Counter[str] = Counter()
        self._sent: dict[bytes, float] = {}

    def received(self, member: LoadSocket, op: bytes) -> None:
        """See Receiver."""
        del member
        sent = self._sent.get(op)
        if sent is not None:
            self.delays_seconds.setdefault(op, []).append(time.perf_counter() - sent)

    def disturbed(self, what: str) -> None:
        """See Receiver."""
        self.disturbances[what] += 1

    async def open(self, plans: Sequence[MemberPlan], *, has_little_room: bool = False) -> list[LoadSocket]:
        """Open one socket for each plan, some at once, and return when all are synced."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int, plan: MemberPlan) -> LoadSocket:
            async with gate:
                return await self._open_one(number, plan, has_little_room=has_little_room)

        opened = await asyncio.gather(*(one(number, plan) for number, plan in enumerate(plans)))
        self.members += opened
        return opened

    async def _open_one(self, number: int, plan: MemberPlan, *, has_little_room: bool) -> LoadSocket:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        own = sockets.socket()
        own.setblocking(False)
        if has_little_room:
            own.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, _LITTLE_ROOM_BYTES)
        await loop.sock_connect(own, self._address)
        member = LoadSocket(number, plan.wedding, plan.token, self, ready.set)
        await loop.create_connection(lambda: member, sock=own)
        async with asyncio.timeout(_JOINED_WITHIN_SECONDS):
            await ready.wait()
        return member

    def ask(self, member: LoadSocket, body: str, channel: str) -> bytes:
        """Let a member send an op, of which arrivals are noted."""
        began = time.perf_counter()
        op = member.send_op(body, channel.encode())
        self._sent[op] = began
        return op

    def arrivals(self, ops: Sequence[bytes]) -> list[float]:
        """How long it took to everybody, sorted."""
        return sorted(delay for op in ops for delay in self.delays_seconds.get(op, ()))

    def close(self) -> None:
        """Hang up."""
        for member in self.members:
            member.close()
