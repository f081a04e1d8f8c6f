"""Notices from outside that the event loop of this process is stuck, says where, and ends the process if it stays so.

A stuck loop answers no probe and no client, so nobody inside can tell. A thread looks at the loop's beats; the interpreter's own
timer, which needs no interpreter lock, is wound up by them and stands behind it. Whoever supervises starts the process again,
and the clients resume elsewhere meanwhile. Used by gateway.process alone.
"""

import asyncio
import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final

import structlog

_LOOKS: Final = 10
_BEAT_SECONDS: Final = 0.5
#: How many times longer the timer behind the thread waits: it also counts the time that a process spends frozen.
_TIMER_PATIENCE: Final = 4.0
_log = structlog.get_logger()


def _leave() -> None:
    os._exit(1)


class Watchdog:
    """Half of `stuck_seconds` without a beat is told with the stack of the loop, the whole ends the process by `end`."""

    def __init__(
        self, stuck_seconds: float, end: Callable[[], None] = _leave, *, timer_patience: float = _TIMER_PATIENCE
    ) -> None:
        self._stuck_seconds = stuck_seconds
        self._timer_seconds = stuck_seconds * timer_patience
        self._end = end
        self._beats = 0
        self._loop_thread = threading.get_ident()
        self._stopped = threading.Event()

    async def run(self) -> None:
        """Watch the loop that this runs in until cancelled."""
        threading.Thread(target=self._look_for_ever, name="watchdog", daemon=True).start()
        try:
            while True:
                self._beats += 1
                faulthandler.dump_traceback_later(self._timer_seconds, exit=True)
                await asyncio.sleep(min(_BEAT_SECONDS, self._stuck_seconds / _LOOKS))
        finally:
            self._stopped.set()
            faulthandler.cancel_dump_traceback_later()

    def _look_for_ever(self) -> None:
        """Looks are counted, not seconds, so that time in which the whole process was frozen is not held against the loop."""
        before, missed = 0, 0
        while not self._stopped.wait(self._stuck_seconds / _LOOKS):
            beats = self._beats
            missed = missed + 1 if beats == before else 0
            before = beats
            if missed == _LOOKS // 2:
                _log.error("event_loop_stuck", seconds=self._stuck_seconds / 2, stack=self._stack())
            elif missed == _LOOKS:
                _log.critical("event_loop_stays_stuck", seconds=self._stuck_seconds, remedy="report the stack above")
                self._end()
                return

    def _stack(self) -> str:
        """What the loop's thread is doing now, the innermost call last."""
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # documented, in spite of its name
        return "".join(traceback.format_stack(frame)) if frame is not None else ""
