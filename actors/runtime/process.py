"""The host process: `run` blocks until SIGTERM or SIGINT and returns the exit code. Called by `wedsync host` and nobody else.

Standard output gets a line `STARTING host <id>` now and then until the host serves, and then one, `READY host <id>`; everything
else goes to the log.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
from functools import partial
from typing import Final

import structlog
import uvloop

from actors.runtime import watchdog
from actors.runtime.errors import HostError, LogLost
from actors.runtime.host import Host
from config.exit_codes import NEEDS_OPERATOR
from config.logging import configure_logging
from config.settings import Settings
from store.alarms import sound_once
from store.away import when_there
from store.errors import LogMismatch, StoreError

#: New objects before a young collection, and younger collections before an older one.
GC_THRESHOLDS: Final = (50_000, 20, 100)
#: What closing the connections may take beyond the drain.
FORCE_AFTER_DRAIN_SECONDS: Final = 4.0
#: How often a supervisor hears that a start goes on.
SAY_STARTING_EVERY_SECONDS: Final = 5.0
log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run one host; 0 after an orderly end, 1 when it cannot start or cannot go on, NEEDS_OPERATOR when the log is lost."""
    configure_logging(settings, role="host", id=settings.host_id)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run_watched(settings))


async def _run_watched(settings: Settings) -> int:
    winding = asyncio.create_task(watchdog.wind_up(settings.decide_timeout_seconds))
    try:
        return await _run(settings)
    finally:
        winding.cancel()


async def _run(settings: Settings) -> int:
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        _end_by_force_after(settings.drain_seconds + FORCE_AFTER_DRAIN_SECONDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    watch = partial(watchdog.watch, timeout_seconds=settings.decide_timeout_seconds)
    starting = asyncio.create_task(when_there(lambda: Host.start(settings, watch)))
    told = asyncio.create_task(stopping.wait())
    saying = asyncio.create_task(_say_starting(settings.host_id))
    await asyncio.wait([starting, told], return_when=asyncio.FIRST_COMPLETED)
    saying.cancel()
    if not starting.done():
        starting.cancel()
        return 0
    try:
        host = starting.result()
    except (StoreError, HostError) as error:
        log.critical("host_cannot_start", code=error.code, error=str(error))
        if not isinstance(error, (LogLost, LogMismatch)):
            return 1
        await sound_once(settings.database_url.get_secret_value(), settings.host_id, "log_lost", str(error))
        return NEEDS_OPERATOR
    _spare_the_collector()
    _say(f"READY host {settings.host_id}")
    return await _until_end(host, stopping)


async def _say_starting(host: str) -> None:
    """Say for ever that this process gets on: after a long outage it reads for minutes what is not stored yet.

    An event loop that stands still says nothing and is ended by the watchdog; whatever else a start waits for has a time-out.
    """
    while True:
        await asyncio.sleep(SAY_STARTING_EVERY_SECONDS)
        _say(f"STARTING host {host}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _spare_the_collector() -> None:
    """What lives long from here on is the state of weddings, which has no cycles: looking through it often only costs pauses."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _until_end(host: Host, stopping: asyncio.Event) -> int:
    host.failure.add_done_callback(lambda _failure: stopping.set())
    await stopping.wait()
    if not host.failure.done():
        await host.stop()
        log.info("host_ended")
        return 0
    error = host.failure.exception()
    log.critical("host_cannot_go_on", error=str(error), exc_info=error)
    _end_by_force_after(FORCE_AFTER_DRAIN_SECONDS)
    await host.close()
    return 1


def _end_by_force_after(seconds: float) -> None:
    """Whatever a server that is away holds up, the process ends: nothing is lost, the next owner folds what is not stored."""

    def end() -> None:
        log.error("host_ended_by_force", after_seconds=seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
