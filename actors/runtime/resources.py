"""What every part of one host works with: its ports, the identity of the log, counters, and the way to report what must end it.

Made by the host, handed to everybody. Nothing here does anything by itself.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from actors.runtime.buffer import FlushBuffer, Mailbox
from actors.runtime.counters import Counters
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.deciding import Deciding
from actors.runtime.ports import Bus, Log, Store
from actors.runtime.publish import Publisher
from config.settings import Settings
from store.streams import LogIdentity

CANCEL_AGAIN_SECONDS = 0.2


class Background:
    """The tasks of one part of the host: a task that fails ends the host, and all of them end together."""

    def __init__(self, failure: asyncio.Future[None]) -> None:
        self._failure = failure
        self._is_stopped = False
        #: In the order in which they began, so that they end alike in every run.
        self._tasks: dict[asyncio.Task[None], None] = {}

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def __len__(self) -> int:
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Report what must end the host; the first report counts, and none from a part that has ended."""
        if not self._is_stopped and not self._failure.done():
            self._failure.set_exception(error)

    async def stop(self) -> None:
        """End every task and return when they have ended; the task that calls is left out."""
        self._is_stopped = True
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            # A cancellation can get lost in a library, as when a statement meets it and a dying connection at once: cancel again.
            await asyncio.wait(tasks, timeout=CANCEL_AGAIN_SECONDS)


@dataclass(frozen=True, slots=True)
class Resources:
    """One host's ports and shared parts."""

    settings: Settings
    bus: Bus
    store: Store
    log: Log
    identity: LogIdentity
    publisher: Publisher
    dead_letters: DeadLetters
    #: What is in hand at this moment, for those who come after a death.
    deciding: Deciding
    failure: asyncio.Future[None]
    counters: Counters
    buffer: FlushBuffer
    mailbox: Mailbox
    #: Held while reading from Postgres, so that flushes always find a free connection.
    reading: asyncio.Semaphore
    #: Held beside it by what reads long about the past: one place less, which is left to who wakes or catches up.
    reading_the_past: asyncio.Semaphore
    #: The event loop's time, in seconds; monotonic.
    now: Callable[[], float]
    #: Makes the id of one life of the host, which nobody else has.
    new_boot: Callable[[], str]
