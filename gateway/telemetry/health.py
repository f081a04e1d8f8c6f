"""Is this gateway alive, and may it get traffic: what `/healthz` and `/readyz` say, with the reasons.

Alive means that the event loop turns; ready means that NATS and the log answer, nobody is draining and there is room. Without
PostgreSQL awake weddings go on (design D7), so that is told and keeps nobody away. Checked in the background, so that a probe
never waits. Knows no HTTP; what no probe can tell, a loop that stands still, is gateway.telemetry.watchdog's.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from actors.contract.subjects import log_stream
from store.bus import Bus
from store.errors import StoreError
from store.log_guard import LogGuard

_LOOP_CHECK_SECONDS: Final = 0.5
_LOG_CHECK_SECONDS: Final = 2.0
_STUCK_SECONDS: Final = 5.0
#: A loop that is so late has enough to do.
_OVERLOADED_SECONDS: Final = 1.0

_log = structlog.get_logger()


class Health:
    """See the module."""

    def __init__(
        self,
        bus: Bus,
        guard: LogGuard,
        is_draining: Callable[[], bool],
        *,
        is_full: Callable[[], bool],
        log_is_silent: Callable[[], bool],
        database_answers: Callable[[], bool],
        hosts_are_heard: Callable[[], bool],
    ) -> None:
        self._bus = bus
        self._guard = guard
        self._is_full = is_full
        self._log_is_silent = log_is_silent
        self._database_answers = database_answers
        self._hosts_are_heard = hosts_are_heard
        self._log_answers = False
        self._checked_at = time.monotonic()
        self._watches: list[asyncio.Task[None]] = []
        self._is_draining = is_draining
        #: How late the loop came to the last check.
        self.loop_lag_seconds = 0.0

    async def start(self) -> None:
        """Begin to check."""
        self._watches = [asyncio.create_task(self._watch_loop()), asyncio.create_task(self._watch_log())]

    async def stop(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    @property
    def is_alive(self) -> bool:
        """Whether the loop came round lately and in time."""
        return self.loop_lag_seconds < _STUCK_SECONDS and time.monotonic() - self._checked_at < _STUCK_SECONDS

    def reasons(self) -> list[str]:
        """Why no traffic should come here; empty when ready."""
        reasons = []
        if self._is_draining():
            reasons.append("draining")
        if not self._bus.connected:
            reasons.append("nats_disconnected")
        elif not self._log_answers or self._log_is_silent():
            reasons.append("log_unavailable")
        elif self._guard.fault:
            reasons.append("log_lost")
        if self.loop_lag_seconds > _OVERLOADED_SECONDS or self._is_full():
            reasons.append("overloaded")
        return reasons

    def impairments(self) -> list[str]:
        """What does not work as it should and is no reason to go elsewhere: no other gateway would have it."""
        works = {"postgres_unavailable": self._database_answers, "hosts_silent": self._hosts_are_heard}
        return [reason for reason, does_work in works.items() if not does_work()]

    async def _watch_loop(self) -> None:
        while True:
            self._checked_at = time.monotonic()
            await asyncio.sleep(_LOOP_CHECK_SECONDS)
            self.loop_lag_seconds = max(0.0, time.monotonic() - self._checked_at - _LOOP_CHECK_SECONDS)

    async def _watch_log(self) -> None:
        while True:
            await self._check_log()
            await asyncio.sleep(_LOG_CHECK_SECONDS if self._log_answers else _LOOP_CHECK_SECONDS)

    async def _check_log(self) -> None:
        try:
            await self._bus.js_request(f"STREAM.INFO.{log_stream(0)}")
            await self._guard.look()
            answers = True
        except StoreError:
            answers = False
        except Exception:
            _log.exception("health_check_failed")
            answers = False
        if answers != self._log_answers:
            _log.info("log_reachable" if answers else "log_unreachable")
        self._log_answers = answers
