"""What a host asks of the op log behind one object: the runtime's port `Log` (actors.runtime.ports).

Joins the writer, the consumers, the streams and trimming, each in a module of its own. Made by the host.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Self

from config.settings import Settings
from store import log_range, streams, timer_stream, trimming
from store.alarms import Alarms
from store.bus import Bus
from store.errors import StoreError
from store.log_consumer import LogConsumer, OnMessage
from store.log_fence import Fence
from store.log_search import Found, messages_after
from store.log_writer import LogWriter
from store.postgres import Database
from store.streams import LogIdentity
from store.timers import TimerRow

#: As many weddings are named in an alarm.
_NAMED: Final = 10


class HostLog:
    """The log of one host; see actors.runtime.ports for what each method promises."""

    def __init__(self, bus: Bus, database: Database, identity: LogIdentity, settings: Settings, writer: LogWriter) -> None:
        self._bus = bus
        self._database = database
        self._identity = identity
        self._settings = settings
        self._writer = writer
        self._fence = Fence(bus, database, identity.streams)
        self._alarms = Alarms(database, settings.host_id)

    @classmethod
    async def open(cls, bus: Bus, database: Database, identity: LogIdentity, settings: Settings, boot_id: str) -> Self:
        """`boot_id` as LogWriter.open wants it."""
        log = cls(bus, database, identity, settings, await LogWriter.open(bus, boot_id))
        await log._report_damage()
        return log

    async def append(self, messages: Sequence[tuple[str, bytes]]) -> int:
        return await self._writer.append(messages)

    def reader(
        self,
        stream: str,
        filters: list[str],
        after_position: int,
        on_message: OnMessage,
        *,
        on_reset: Callable[[str], None] = lambda _reason: None,
        on_broken: Callable[[Exception], None] = lambda _error: None,
    ) -> LogConsumer:
        return LogConsumer(
            self._bus,
            stream,
            filters,
            after_position,
            on_message,
            on_reset=on_reset,
            on_broken=on_broken,
            heartbeat_seconds=self._settings.reader_heartbeat_seconds,
            silence_seconds=self._settings.reader_silence_seconds,
            require_whole=partial(self._fence.require_whole, stream),
        )

    async def positions(self, stream: str) -> tuple[int, int]:
        return await streams.positions(self._bus, stream)

    async def put_timers(self, rows: Sequence[TimerRow]) -> None:
        await timer_stream.put(self._bus, self._settings.region, self._identity.streams, rows)

    async def messages_after(self, stream: str, subject: str, position: int) -> list[Found]:
        return await messages_after(self._bus, stream, subject, position)

    async def look_after(self) -> None:
        await streams.provision(self._bus, self._database, self._settings)
        await self._report_damage()

    async def _report_damage(self) -> None:
        """Tell an operator what nats-server knows to be missing; the log may serve all the same, since all of that is stored."""
        await self._alarms.withdraw("log_lost")
        try:
            damage = await log_range.damage(self._bus, self._identity.streams)
        except StoreError:
            return  # the next reconnect looks again
        if damage:
            await self._alarms.sound("log_damaged", f"{damage} Compare with `wedsync scrub`.")
        else:
            await self._alarms.withdraw("log_damaged")

    def alarms(self) -> list[str]:
        return sorted(self._alarms.raised)

    async def report_unreadable(self, weddings: Sequence[str]) -> bool:
        if not weddings:
            return await self._alarms.withdraw("wedding_unreadable")
        more = f" and {len(weddings) - _NAMED} more" if len(weddings) > _NAMED else ""
        named = ", ".join(weddings[:_NAMED]) + more
        remedy = "Mend it as docs/operations.md says under the name of the alarm."
        message = f"What is stored of {named} cannot be read, and its ops wait. {remedy}"
        return await self._alarms.sound("wedding_unreadable", message)

    async def trim(self, *, by_age: bool) -> int:
        return await trimming.trim(self._bus, self._database, self._identity, self._settings, by_age=by_age)

    async def close(self) -> None:
        with suppress(StoreError):
            await self._writer.close()
