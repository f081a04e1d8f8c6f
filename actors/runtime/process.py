"""The host process: `run` blocks until SIGTERM or SIGINT and returns the exit code. Called by `wedsync host` and nobody else.

Standard output gets one line, `READY host <id>`, when the host serves; everything else goes to the log.
"""

import asyncio
import gc
import signal
import sys

import structlog
import uvloop

from actors.runtime.errors import HostError
from actors.runtime.host import Host
from config.logging import configure_logging
from config.settings import Settings
from store.errors import StoreError

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run one host; 0 after an orderly end, 1 when it cannot start or cannot go on."""
    configure_logging(settings, role="host", id=settings.host_id)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings))


async def _run(settings: Settings) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        host = await Host.start(settings)
    except (StoreError, HostError) as error:
        log.critical("host_cannot_start", code=error.code, error=str(error))
        return 1
    # Everything that lives from here on is the state of weddings; collecting the rest again and again would cost pauses.
    gc.collect()
    gc.freeze()
    sys.stdout.write(f"READY host {settings.host_id}\n")
    sys.stdout.flush()
    return await _until_end(host, stopping)


async def _until_end(host: Host, stopping: asyncio.Event) -> int:
    host.failure.add_done_callback(lambda _failure: stopping.set())
    await stopping.wait()
    if not host.failure.done():
        await host.stop()
        log.info("host_ended")
        return 0
    error = host.failure.exception()
    log.critical("host_cannot_go_on", error=str(error), exc_info=error)
    await host.close()
    return 1
