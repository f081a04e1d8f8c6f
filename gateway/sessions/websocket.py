"""The WebSocket route: aiohttp's connection handed to a session, frame by frame. Nothing here knows what frames mean."""

import asyncio
import socket as sockets
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from aiohttp import WSMessage, WSMsgType, web
from aiohttp.http import WebSocketError

from gateway.access.addresses import address_of
from gateway.access.limiter import PAUSE_SECONDS, ConnectionBudget
from gateway.app import GATEWAY, Gateway
from gateway.errors import GatewayError, SlowDown
from gateway.sessions.heartbeat import Heartbeat
from gateway.sessions.session import Session
from gateway.wire.close_codes import ABNORMAL, INTERNAL_ERROR, OK, PROTOCOL_ERROR, TOO_MANY
from gateway.wire.formats import JSON_PROTOCOL, PACKED_PROTOCOL
from gateway.wire.frame_guard import GuardedWebSocket
from gateway.wire.frames import error_frame
from gateway.wire.socket import CLOSE_SECONDS, Socket

#: What the kernel takes of a socket before it is sent: the rest waits here, is counted, and is shared with other sockets.
_KERNEL_UNSENT_BYTES: Final = 128 * 1024
#: The last is what aiohttp closes for by itself: a breach of the protocol, or a message above the limit.
_ENDS: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_log = structlog.get_logger()


def register(app: web.Application) -> None:
    """Add `GET /ws`."""
    app.router.add_get("/ws", serve_websocket)


async def serve_websocket(request: web.Request) -> web.StreamResponse:
    """One connection from upgrade to close."""
    gateway = request.app[GATEWAY]
    limits = gateway.settings.limits
    address = address_of(request, gateway.settings.trusted_proxies)
    gateway.limiter.require_message(address)
    if not gateway.ready or gateway.hub.open_sockets >= limits.sockets_per_gateway:
        raise GatewayError("unavailable", "This gateway takes no connections now.", "Try again; another gateway may take it.")
    budget = ConnectionBudget(gateway.limiter, address)
    try:
        return await _upgraded(request, gateway, budget)
    finally:
        budget.release()


async def _upgraded(request: web.Request, gateway: Gateway, budget: ConnectionBudget) -> web.StreamResponse:
    """The WebSocket, once it is over."""
    connection = GuardedWebSocket(
        protocols=(JSON_PROTOCOL, PACKED_PROTOCOL),
        max_msg_size=gateway.settings.limits.frame_bytes,
        autoping=False,
        timeout=CLOSE_SECONDS,
        autoclose=False,
    )
    try:
        await connection.prepare(request)
    except ConnectionResetError:
        # Gone before it was opened: nobody is there to be told, and a socket that was never opened cannot be closed either.
        return web.Response()
    if request.transport is not None:
        _keep_unsent_here(request.transport)
        await _serve(gateway, connection, request.transport, budget)
    return connection


async def _serve(gateway: Gateway, connection: GuardedWebSocket, transport: asyncio.Transport, budget: ConnectionBudget) -> None:
    """The conversation after the upgrade."""
    is_packed = connection.ws_protocol == PACKED_PROTOCOL
    socket = Socket(transport, gateway.write_turn, gateway.settings.limits.socket_buffer_bytes, is_packed=is_packed)
    session = _session(gateway, socket, budget)

    def closed() -> None:
        """What the connection meant to others ends with our close, not with the client's answer to it."""
        session.end()
        gateway.counts.sockets_closed_by_code[socket.close_code or 0] += 1

    socket.on_close = closed
    heartbeat = Heartbeat(socket, connection.inbox, gateway.settings.websocket_ping_seconds)
    hello_timer = asyncio.get_running_loop().call_later(gateway.settings.hello_timeout_seconds, session.hello_timed_out)
    gateway.hub.open_sockets += 1
    code = 0
    try:
        # A task of its own: else every frame would wake the dozen coroutines between the server and here, one after the other.
        last = await asyncio.create_task(_converse(connection, session, budget, socket))
        # aiohttp forgets its own code where the client goes without an answer to it.
        code = int(last.data.code) if isinstance(last.data, WebSocketError) else connection.close_code or 0
    except Exception as failure:
        _log.exception("session_failed", connection=socket.id, exc_info=failure)
        socket.close(INTERNAL_ERROR)
        async for _ in connection:
            transport.close()
    finally:
        gateway.hub.open_sockets -= 1
        heartbeat.stop()
        hello_timer.cancel()
        session.end()
        if socket.closed:
            # aiohttp does not know of our close and would send one more, which browsers take for a broken connection.
            transport.close()
        else:
            gateway.counts.sockets_closed_by_code[code] += 1
            await _answer_close(connection)


def _session(gateway: Gateway, socket: Socket, budget: ConnectionBudget) -> Session:
    return Session(
        socket,
        gateway.hub,
        gateway.submitter,
        gateway.presence,
        gateway.authentication,
        gateway.settings,
        gateway.counts,
        budget,
    )


def _keep_unsent_here(transport: asyncio.Transport) -> None:
    """Else the kernel would hold up to 4 MB for each slow reader before anybody noticed."""
    connection = transport.get_extra_info("socket")
    if connection is not None and hasattr(sockets, "TCP_NOTSENT_LOWAT"):
        # Who has gone already has no socket any more; the conversation ends by itself.
        with suppress(OSError):
            connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT, _KERNEL_UNSENT_BYTES)


async def _converse(connection: GuardedWebSocket, session: Session, budget: ConnectionBudget, socket: Socket) -> WSMessage:
    """Hand over frame by frame; ends when the client has closed, or has answered our close. Returns the last message."""
    connection.inbox.take_at_once = partial(_taken_at_once, session, budget, socket)
    # Not `async for`, which would be one coroutine more for every frame.
    while (message := await connection.receive()).type not in _ENDS:
        try:
            budget.require_frame(len(message.data or b""))
        except SlowDown as error:
            if not await _is_patient(socket, budget, error):
                continue
        if message.type is WSMsgType.TEXT:
            await session.take(message.data)
        elif message.type is WSMsgType.BINARY:
            await session.take_packed(message.data)
        elif message.type is WSMsgType.PING:
            # Who has gone meanwhile needs none; the next message says so.
            with suppress(ConnectionResetError):
                await connection.pong(message.data)
    return message


def _taken_at_once(session: Session, budget: ConnectionBudget, socket: Socket, message: WSMessage) -> bool:
    """Handle what most frames are: text, within every rate, and nothing to wait for. False for others, with nothing done."""
    try:
        if message.type is not WSMsgType.TEXT or not budget.allows_frame() or not session.take_at_once(message.data):
            return False
        budget.count_frame(len(message.data))
    except Exception:
        _log.exception("session_failed", connection=socket.id)
        socket.close(INTERNAL_ERROR)
    return True


async def _is_patient(socket: Socket, budget: ConnectionBudget, error: SlowDown) -> bool:
    """Warn who is over the rate of frames, and listen to nothing for a while; close after too many warnings, and tell False."""
    if socket.closed:
        return False
    if not budget.may_be_warned():
        socket.close(
            TOO_MANY, GatewayError("slow_down", "Far too many frames came.", "Wait two minutes, then come back.", met=error.met)
        )
        return False
    socket.write(error_frame(error))
    await asyncio.sleep(PAUSE_SECONDS)
    return True


async def _answer_close(connection: web.WebSocketResponse) -> None:
    """Close with the client's own code."""
    code = connection.close_code or OK
    # aiohttp lets 1006 pass, which never travels (RFC 6455, 7.4.1).
    await connection.close(code=PROTOCOL_ERROR if code == ABNORMAL else code, drain=False)
