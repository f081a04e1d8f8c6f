"""Ending a process that does not get done with an op, so that it counts as a death of that op (design D1, INV6).

Two watchers, since neither sees everything: a thread looks at the op in hand, and the interpreter's own timer, which needs no
interpreter lock, is wound up by the event loop again and again. Started by the host process alone, never in tests' own loops.
"""

import asyncio
import faulthandler
import os
import threading
import time
from typing import Final

import structlog

from actors.runtime.deciding import Deciding

LOOKS: Final = 5
WIND_UP_SECONDS: Final = 1.0
#: A loop that stands still with no op in hand, as on a machine that is short of everything, gets more time.
PATIENCE: Final = 4
log = structlog.get_logger()


def watch(deciding: Deciding, timeout_seconds: float) -> None:
    """End the process when one op is in hand for so long. Looks are counted, so that time spent frozen is not held against it."""
    threading.Thread(target=_look, args=(deciding, timeout_seconds / LOOKS), name="watchdog", daemon=True).start()


def _look(deciding: Deciding, interval_seconds: float) -> None:
    before, looks = deciding.now, 0
    while before is None or looks < LOOKS:
        time.sleep(interval_seconds)
        now = deciding.now
        looks = looks + 1 if now == before else 0
        before = now
    log.critical("op_is_never_decided", partition=before[0], position=before[1], seconds=interval_seconds * LOOKS)
    faulthandler.dump_traceback(all_threads=False)
    os._exit(1)


async def wind_up(timeout_seconds: float) -> None:
    """Keep the process from ending while the event loop turns; for ever."""
    try:
        while True:
            faulthandler.dump_traceback_later(timeout_seconds * PATIENCE, exit=True)
            await asyncio.sleep(WIND_UP_SECONDS)
    finally:
        faulthandler.cancel_dump_traceback_later()
