"""The gateway process: starts the parts in order, says READY, and on SIGTERM drains and leaves.

`serving` is the same for the process and for tests. Order of the end: not ready, no new connections, what was taken gets into
the log, sockets are told to come back, services stop.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import structlog
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

from config.logging import configure_logging
from config.settings import Settings
from gateway.app import GATEWAY, Gateway
from gateway.door import Door
from gateway.edge import Edge
from gateway.errors import PortBusy
from gateway.idle_connections import IdleConnections
from gateway.sessions import websocket
from gateway.telemetry.watchdog import Watchdog
from store.away import when_there
from store.errors import StoreError

#: The kernel's queue of connections that wait to be accepted: a storm of joins arrives at once.
_BACKLOG: Final = 4096
_SHUTDOWN_SECONDS: Final = 1.0
#: What the end may take besides draining, before the process leaves as it is.
_LAST_SECONDS: Final = 5.0
_log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    configure_logging(settings, role="gateway", id=settings.gateway_id)
    try:
        return uvloop.run(_run_watched(settings))
    except asyncio.CancelledError:  # told to end before it served, as when it waits for NATS
        return 0
    except (PortBusy, StoreError) as failure:
        sys.stderr.write(f"gateway {settings.gateway_id}: {failure}\n")
        return 1


async def _run_watched(settings: Settings) -> int:
    watching = asyncio.create_task(Watchdog(settings.loop_stuck_seconds).run())
    try:
        return await _main(settings)
    finally:
        watching.cancel()


async def _main(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    assert starting is not None  # noqa: S101  # this runs in it
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, starting.cancel)
    async with serving(settings) as (gateway, port):
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        # What was made so far stays; collections of the young objects need not look at it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)
        sys.stdout.write(f"READY gateway {gateway.id} {port}\n")
        sys.stdout.flush()
        await stop.wait()
        loop.call_later(settings.drain_seconds + _LAST_SECONDS, _leave_at_once)
    return 0


def _leave_at_once() -> None:
    """Something does not end, such as a connection to a server that is gone; whatever was saved is safe."""
    _log.error("gateway_left_without_closing")
    os._exit(1)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line of aiohttp's is about a fault of ours: what is no HTTP is answered with 400, and its bytes are in no log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Gateway, int]]:
    """A gateway that answers on the returned port for the length of the block; raises StoreError or PortBusy at the start."""
    server_logger.addFilter(_is_ours)
    gateway = await when_there(lambda: Gateway.open(settings))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(gateway.close)
        edge = Edge(gateway)
        gateway.presence = edge.presence
        await gateway.hub.start()
        stack.push_async_callback(gateway.hub.stop)
        for service in edge.services:
            await when_there(service.start)
            stack.push_async_callback(service.stop)
        app = web.Application(client_max_size=settings.limits.frame_bytes)
        app[GATEWAY] = gateway
        idle = IdleConnections()
        idle.watch(app)
        websocket.register(app)
        edge.register(app)
        runner = _runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        waiting: set[Door] = set()
        server, port = await _open_port(runner, settings, waiting)
        stack.callback(server.close)
        gateway.ready = True
        _log.info("gateway_ready", port=port, region=settings.region)
        try:
            yield gateway, port
        finally:
            gateway.ready = False
            server.close()
            if runner.server is not None:
                idle.end(runner.server)
            await _drain(gateway, settings.drain_seconds)
            # aiohttp knows nothing of them and would leave them open.
            for door in tuple(waiting):
                door.turn_away()


def _runner(app: web.Application) -> web.AppRunner:
    # Compressed bodies are refused (gateway.http.negotiation), so none is unpacked before it is judged.
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        keepalive_timeout=75.0,
        lingering_time=1.0,
        auto_decompress=False,
    )


async def _open_port(runner: web.AppRunner, settings: Settings, waiting: set[Door]) -> tuple[asyncio.Server, int]:
    handler = runner.server
    assert handler is not None  # noqa: S101  # the runner is set up
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: Door(handler, settings.http_header_timeout_seconds, waiting),
            settings.listen_host,
            settings.port,
            backlog=_BACKLOG,
            reuse_port=settings.share_port or None,
            reuse_address=True,
        )
    except OSError as failure:
        raise PortBusy(f"{settings.listen_host}:{settings.port} cannot be listened on: {failure.strerror}.") from failure
    address: tuple[str, int] = server.sockets[0].getsockname()
    return server, address[1]


async def _drain(gateway: Gateway, seconds: float) -> None:
    """Send everybody elsewhere, spread over this time, and go on serving them until they have left; then save what was taken."""
    await gateway.hub.send_away(seconds)
    with suppress(TimeoutError):
        async with asyncio.timeout(min(seconds, _SHUTDOWN_SECONDS)):
            await gateway.commits_drained()
    await gateway.hub.stop()
    try:
        async with asyncio.timeout(seconds):
            await gateway.commits_drained()
    except TimeoutError:
        _log.warning("drain_gave_up", waiting_ops=sum(commit.waiting_ops for commit in gateway.commits))
