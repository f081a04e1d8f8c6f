"""A WebSocket made for load alone: it reads only what the measurement needs, so that the generator stays cheaper than the server.

Frames are walked by their headers; of an event only op id, channel and sequence are read, by searching for their names. The
product's own client is not used here on purpose.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_CLIENT_BIT: Final = 0x80
_ID, _CHANNEL = b'"id":"', b'"channel":"'
#: From the closing quote of the channel to the first digit after it: `","sequence":`.
_TO_SEQUENCE: Final = 13
#: The letter after `{"type":"`.
_KIND_AT: Final = 9
_MASK: Final = b"\x37\xfa\x21\x3d"

PARALLEL_JOINS: Final = 50
_JOIN_SECONDS: Final = 60.0

_masks: dict[int, int] = {}

Member = TypeVar("Member")
Joined = TypeVar("Joined", bound="LoadSocket")


def masked_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Return a client's frame; masked in one operation on a large integer."""
    length = len(payload)
    mask = _masks.get(length)
    if mask is None:
        mask = _masks[length] = int.from_bytes((_MASK * (length // 4 + 1))[:length], "little")
    body = (int.from_bytes(payload, "little") ^ mask).to_bytes(length, "little")
    if length < 126:
        return bytes((opcode, _CLIENT_BIT | length)) + _MASK + body
    if length < 65536:
        return bytes((opcode, _CLIENT_BIT | 126)) + length.to_bytes(2, "big") + _MASK + body
    return bytes((opcode, _CLIENT_BIT | 127)) + length.to_bytes(8, "big") + _MASK + body


class Receiver(Protocol):
    """Who counts what arrives."""

    def received(self, member: LoadSocket, op: bytes) -> None:
        """An event of this op came to this member."""

    def disturbed(self, what: str) -> None:
        """Something came that an undisturbed run does not have: a refusal, a hole, a resync, the end of the socket."""


class LoadSocket(asyncio.Protocol):
    """One member of one wedding, from the handshake on."""

    def __init__(self, number: int, wedding: str, token: str, receiver: Receiver, ready: Callable[[], None]) -> None:
        self.number = number
        self.wedding = wedding
        self.client = ""
        self.sent = 0
        self.next_free = 0
        self.sequences: dict[bytes, int] = {}
        self._token = token
        self._receiver = receiver
        self._ready = ready
        self._rest = b""
        self._upgraded = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Report the end, whatever its reason."""
        del error
        self._receiver.disturbed("closed")

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def stall(self) -> None:
        """Read nothing from now on, as a phone in a tunnel."""
        self._transport.pause_reading()

    def send_op(self, body: str, channel: bytes) -> bytes:
        """Send the next op and return its id; `body` is an Edit's JSON."""
        self.sent += 1
        op = f"{self.client}:{self.sent}"
        text = f'{{"type":"collaboration_event","op":{{"id":"{op}",{body}{self.sequences.get(channel, 0)}}}}}}}'
        self._transport.write(masked_frame(text.encode()))
        return op.encode()

    def renumber(self) -> None:
        """Go on from the number that the server takes next, after refusals."""
        if self.next_free:
            self.sent, self.next_free = self.next_free - 1, 0

    def data_received(self, data: bytes) -> None:
        """Walk the frames of one read."""
        if self._rest:
            data = self._rest + data
        at = 0 if self._upgraded else self._take_upgrade(data)
        size = len(data)
        while size - at >= 2:
            length = data[at + 1]
            start = at + 2
            if length == 126:
                start = at + 4
                length = int.from_bytes(data[at + 2 : start], "big") if size >= start else size
            elif length == 127:
                start = at + 10
                length = int.from_bytes(data[at + 2 : start], "big") if size >= start else size
            end = start + length
            if end > size:
                break
            if data[at] != _TEXT:
                self._control(data[at], data[start:end])
            elif data[start + _KIND_AT] == 99:  # c: collaboration_event
                self._event(data, start, end)
            else:
                self._other(data[start:end])
            at = end
        self._rest = data[at:]

    def _event(self, data: bytes, start: int, end: int) -> None:
        identifier = data.find(_ID, start, end) + 6
        channel = data.find(_CHANNEL, identifier, end) + 11
        quote = data.find(b'"', channel, end)
        name = data[channel:quote]
        digits = quote + _TO_SEQUENCE
        sequence = int(data[digits : data.find(b",", digits, end)])
        if sequence != self.sequences.get(name, 0) + 1:
            self._receiver.disturbed("out of order")
        self.sequences[name] = sequence
        self._receiver.received(self, data[identifier : data.find(b'"', identifier, end)])

    def _take_upgrade(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(data[:end].decode(errors="replace"))
        self._upgraded = True
        hello = {"type": "hello", "version": 1, "wedding": self.wedding, "token": self._token}
        self._transport.write(masked_frame(msgspec.json.encode(hello)))
        return end + 4

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._transport.write(masked_frame(payload, _PONG))
        elif opcode == _CLOSE:
            self._receiver.disturbed(f"closed with {int.from_bytes(payload[:2], 'big')}")

    def _other(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"saved"'):
            return
        frame = msgspec.json.decode(payload, type=dict[str, Any])
        match frame["type"]:
            case "welcome":
                self.client = frame["client"]
            case "data_sync":
                name = frame["channel"].encode()
                if name in self.sequences and self.sent:
                    self._receiver.disturbed("resynced")
                self.sequences[name] = frame["sequence"]
            case "synced":
                self._ready()
            case "rejected":
                self.next_free = min(self.next_free or frame["next"], frame["next"])
                self._receiver.disturbed(f"rejected {frame['code']}")
            case "error":
                self._receiver.disturbed(f"error {frame['code']}")
            case _:
                pass


async def join_all(
    host: str, port: int, members: Sequence[Member], make: Callable[[int, Member, Callable[[], None]], Joined]
) -> list[Joined]:
    """Connect a socket for each member, some at once; `make` gets its number, the member and what to call when it is synced."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(PARALLEL_JOINS)

    async def join_one(number: int, member: Member) -> Joined:
        async with gate:
            ready = asyncio.Event()
            socket = make(number, member, ready.set)
            await loop.create_connection(lambda: socket, host, port)
            await asyncio.wait_for(ready.wait(), _JOIN_SECONDS)
            return socket

    return list(await asyncio.gather(*(join_one(*each) for each in enumerate(members))))
