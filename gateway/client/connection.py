"""One WebSocket to a gateway: frames out, frames in, the close code at the end. No state, no reconnecting.

`Client` is built on it; tests and tools use it bare where they want to see or to break single frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

from actors.contract.client_frames import PROTOCOL_VERSION, ClientFrame, Hello, Resume
from actors.contract.server_frames import ServerFrame
from gateway.client.errors import ConnectionClosed

HEARTBEAT_SECONDS: Final = 20.0
#: Snapshots come in chunks of half a mebibyte; anything far beyond is not our server.
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024

_encode = msgspec.json.Encoder().encode
_server_frames: Final[msgspec.json.Decoder[ServerFrame]] = msgspec.json.Decoder(ServerFrame)
_KNOWN_TYPES: Final = frozenset(str(frame.__struct_config__.tag) for frame in ServerFrame.__args__)


def base_address(url: str) -> str:
    """Return a server's address for HTTP, of any that a program may give: with a slash at its end, or that of the socket."""
    base = url.rstrip("/").removesuffix("/ws")
    return "http" + base.removeprefix("ws") if base.startswith(("ws:", "wss:")) else base


def websocket_url(url: str) -> str:
    """Return the address of the socket for any of these."""
    return base_address(url) + "/ws"


def decode_frame(text: str) -> ServerFrame | None:
    """Read a server's frame; None for a type that this version does not know. Raises msgspec.ValidationError for a broken one."""
    try:
        return _server_frames.decode(text)
    except msgspec.ValidationError:
        if msgspec.json.decode(text, type=dict[str, Any]).get("type") in _KNOWN_TYPES:
            raise
        return None


class Connection:
    """One open socket. `close_code` is set once it is closed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, url: str, *, close_within_seconds: float = 1.0) -> Connection:
        """Connect; raises ConnectionClosed with 1006 when nobody answers."""
        try:
            return cls(
                await session.ws_connect(
                    websocket_url(url),
                    heartbeat=HEARTBEAT_SECONDS,
                    max_msg_size=MAX_FRAME_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=close_within_seconds),
                )
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ConnectionClosed(1006, f"No connection to {websocket_url(url)}: {error!r}; is the server up?") from error

    @property
    def close_code(self) -> int | None:
        """The code of the close, None while open."""
        return self._socket.close_code

    async def hello(self, wedding: str, token: str, *, client: str | None = None, resume: Resume | None = None) -> None:
        """Send the first frame."""
        await self.send(Hello(PROTOCOL_VERSION, wedding, token, client, resume, "wedsync-python/1"))

    async def send(self, frame: ClientFrame | Mapping[str, Any]) -> None:
        """Send one frame; raises ConnectionClosed."""
        await self.send_text(_encode(frame).decode())

    async def send_text(self, text: str) -> None:
        """Send any text as one frame, also what is no frame of ours; raises ConnectionClosed."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionClosed(self._socket.close_code or 1006) from error

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame, which no server of ours takes."""
        await self._socket.send_bytes(data)

    async def receive_text(self) -> str:
        """Wait for the next text frame; raises ConnectionClosed."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        raise ConnectionClosed(self._socket.close_code or 1006)

    async def receive(self) -> dict[str, Any]:
        """Wait for the next frame as plain JSON; raises ConnectionClosed."""
        return msgspec.json.decode(await self.receive_text(), type=dict[str, Any])

    async def receive_until(self, frame_type: str) -> list[dict[str, Any]]:
        """Take frames up to and including the first of this type."""
        frames = [await self.receive()]
        while frames[-1]["type"] != frame_type:
            frames.append(await self.receive())
        return frames

    async def receive_until_any(self, *frame_types: str) -> dict[str, Any]:
        """Take frames up to the first of one of these types and return that one."""
        while (frame := await self.receive())["type"] not in frame_types:
            pass
        return frame

    async def close(self) -> None:
        """Close politely."""
        await self._socket.close()
