"""The WebSocket route: aiohttp's connection handed to a session, frame by frame. Nothing here knows what frames mean."""

import asyncio
import socket as sockets
import time
from typing import Final

import structlog
from aiohttp import WSMsgType, web

from gateway.app import GATEWAY, Gateway
from gateway.close_codes import ABNORMAL, INTERNAL_ERROR, OK, PROTOCOL_ERROR, TOO_MANY
from gateway.errors import GatewayError
from gateway.formats import JSON_PROTOCOL, PACKED_PROTOCOL
from gateway.frame_guard import MaskedWebSocket
from gateway.heartbeat import Heartbeat
from gateway.rate import TokenBucket
from gateway.session import Session
from gateway.socket import CLOSE_SECONDS, Socket

#: What the kernel takes of a socket before it is sent: the rest waits here, is counted, and is shared with other sockets.
_KERNEL_UNSENT_BYTES: Final = 128 * 1024
_log = structlog.get_logger()


def register(app: web.Application) -> None:
    """Add `GET /ws`."""
    app.router.add_get("/ws", serve_websocket)


async def serve_websocket(request: web.Request) -> web.StreamResponse:
    """One connection from upgrade to close."""
    gateway = request.app[GATEWAY]
    limits = gateway.settings.limits
    address = request.remote or ""
    if gateway.sockets_by_address[address] >= limits.sockets_per_address:
        raise GatewayError("slow_down", "Too many sockets are open from your address.", "Close some, or wait.")
    if not gateway.ready or gateway.hub.open_sockets >= limits.sockets_per_gateway:
        raise GatewayError("unavailable", "This gateway takes no connections now.", "Try again; another gateway may take it.")
    connection = MaskedWebSocket(
        protocols=(JSON_PROTOCOL, PACKED_PROTOCOL),
        max_msg_size=limits.frame_bytes,
        compress=False,
        autoping=False,
        timeout=CLOSE_SECONDS,
        decode_text=False,
        autoclose=False,
    )
    await connection.prepare(request)
    if request.transport is not None:
        gateway.sockets_by_address[address] += 1
        try:
            await _serve(gateway, connection, request.transport)
        finally:
            gateway.sockets_by_address[address] -= 1
            if not gateway.sockets_by_address[address]:
                del gateway.sockets_by_address[address]
    return connection


async def _serve(gateway: Gateway, connection: web.WebSocketResponse, transport: asyncio.Transport) -> None:
    """The conversation after the upgrade."""
    limits = gateway.settings.limits
    is_packed = connection.ws_protocol == PACKED_PROTOCOL
    _keep_unsent_here(transport)
    socket = Socket(transport, gateway.write_turn, limits.socket_buffer_bytes, is_packed=is_packed)
    session = Session(
        socket,
        gateway.hub,
        gateway.submitter,
        gateway.presence,
        gateway.authentication,
        gateway.settings,
        gateway.counts,
    )

    def closed() -> None:
        """What the connection meant to others ends with our close, not with the client's answer to it."""
        session.end()
        gateway.counts.sockets_closed_by_code[socket.close_code or 0] += 1

    socket.on_close = closed
    heartbeat = Heartbeat(socket, gateway.settings.websocket_ping_seconds)
    hello_timer = asyncio.get_running_loop().call_later(gateway.settings.hello_timeout_seconds, session.hello_timed_out)
    gateway.hub.open_sockets += 1
    try:
        frames = TokenBucket(limits.frames_per_second_per_connection, limits.frame_burst_per_connection, time.monotonic())
        await _converse(connection, session, heartbeat, frames, socket)
    except Exception as failure:
        _log.exception("session_failed", connection=socket.id, exc_info=failure)
        socket.close(INTERNAL_ERROR)
        async for _ in connection:
            pass
    finally:
        gateway.hub.open_sockets -= 1
        heartbeat.stop()
        hello_timer.cancel()
        session.end()
        if not socket.closed:
            gateway.counts.sockets_closed_by_code[connection.close_code or 0] += 1
            await _answer_close(connection)


def _keep_unsent_here(transport: asyncio.Transport) -> None:
    """Else the kernel would hold up to 4 MB for each slow reader before anybody noticed."""
    connection = transport.get_extra_info("socket")
    if connection is not None and hasattr(sockets, "TCP_NOTSENT_LOWAT"):
        connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT, _KERNEL_UNSENT_BYTES)


async def _converse(
    connection: web.WebSocketResponse, session: Session, heartbeat: Heartbeat, frames: TokenBucket, socket: Socket
) -> None:
    """Hand over frame by frame; ends when the client has closed, or has answered our close."""
    async for message in connection:
        heartbeat.is_heard = True
        if frames.wait_seconds(time.monotonic()):
            socket.close(TOO_MANY, GatewayError("slow_down", "Far too many frames came.", "Wait a minute, then come back."))
            continue
        frames.take()
        if message.type is WSMsgType.TEXT:
            await session.take(message.data)
        elif message.type is WSMsgType.BINARY:
            await session.take_packed(message.data)
        elif message.type is WSMsgType.PING:
            await connection.pong(message.data)


async def _answer_close(connection: web.WebSocketResponse) -> None:
    """Close with the client's own code."""
    code = connection.close_code or OK
    # aiohttp lets 1006 pass, which never travels (RFC 6455, 7.4.1).
    await connection.close(code=PROTOCOL_ERROR if code == ABNORMAL else code, drain=False)
