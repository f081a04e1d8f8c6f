"""Processes in virtual time: each has an event loop of its own, and a seeded scheduler lets one of them run a little at a time.

Within a process callbacks run in the order in which they became ready, as asyncio promises; between processes any order may come.
Nothing waits for real: when nobody can run, time jumps to the next timer. The same seed gives the same run.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
#: How often a process that is killed is told so: a task may catch its cancellation once or twice.
_KILLS = 20


class Scheduler:
    """The time, the chance and the processes of one world."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        #: What a callback raised, which no event loop of a host may ever see.
        self.faults: list[str] = []
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Process, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._current = asyncio._get_running_loop()

    def run_until(self, is_over: Callable[[], bool], deadline: float) -> bool:
        """Run until that is so, which is looked at whenever time passes; False when the deadline comes first."""
        outside = asyncio._get_running_loop()
        try:
            while not is_over():
                if not self._pass_time(deadline):
                    return is_over()
                while self._runnable:
                    self._run_one()
            return True
        finally:
            self.let_run(outside)

    def let_run(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Say whose callbacks run next."""
        if loop is not self._current:
            self._current = loop
            asyncio._set_running_loop(loop)

    def run(self, process: "Process", work: Coroutine[Any, Any, Result], within_seconds: float = 60.0) -> Result:
        """Run one coroutine in a process to its end and return what it returns."""
        task = process.create_task(work)
        if not self.run_until(task.done, self.now + within_seconds):
            raise TimeoutError(f"{work} has not ended within {within_seconds:g} s of virtual time")
        return task.result()

    def _pass_time(self, deadline: float) -> bool:
        if self._runnable:
            return True
        timers = self._timers
        while timers:
            when, _, process, handle = timers[0]
            if when > deadline:
                break
            heapq.heappop(timers)
            if not (handle.cancelled() or process.is_dead):
                self.now = max(self.now, when)
                process.make_ready(handle)
                return True
        self.now = deadline
        return False

    def _run_one(self) -> None:
        runnable = self._runnable
        process = runnable.pop(self.random.randrange(len(runnable)) if len(runnable) > 1 else 0)
        process.is_listed = False
        if not (process.is_frozen or process.is_dead):
            process.run_some()

    def list(self, process: "Process") -> None:
        """Called by a process that has something to run."""
        process.is_listed = True
        self._runnable.append(process)

    def at(self, when: float, process: "Process", handle: asyncio.TimerHandle) -> None:
        heapq.heappush(self._timers, (when, next(self._numbers), process, handle))


class Process(asyncio.BaseEventLoop):
    """One process and its event loop; what hosts use of a loop is made anew here, and nothing else of it may be used."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.name = name
        self.is_listed = False
        self.is_frozen = False
        #: It is being killed: its tasks end, and nothing that they do reaches anybody.
        self.is_dying = False
        self.is_dead = False
        self._scheduler = scheduler
        self._ready: deque[asyncio.Handle] = deque()

    def time(self) -> float:
        return self._scheduler.now

    def call_soon(
        self, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.make_ready(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._scheduler.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.is_dying:
            self._scheduler.at(when, self, handle)
        return handle

    def make_ready(self, handle: asyncio.Handle) -> None:
        self._ready.append(handle)
        if not (self.is_listed or self.is_frozen or self.is_dying):
            self._scheduler.list(self)

    def run_some(self) -> None:
        """Run the first of the ready callbacks, a random number of them."""
        ready = self._ready
        count = len(ready)
        self._scheduler.let_run(self)
        self._run_ready(count if count == 1 else self._scheduler.random.randint(1, count))
        if ready and not (self.is_listed or self.is_frozen or self.is_dying):
            self._scheduler.list(self)

    def _run_ready(self, count: int) -> None:
        for _ in range(count):
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()

    def freeze(self) -> None:
        """As SIGSTOP does: messages and timers pile up."""
        self.is_frozen = True

    def wake(self) -> None:
        """As SIGCONT does."""
        self.is_frozen = False
        if self._ready and not self.is_listed:
            self._scheduler.list(self)

    def kill(self) -> None:
        """As SIGKILL does: what its tasks still do while they end reaches nobody. Must not be called by the process itself."""
        self.is_dying = True
        killer = asyncio._get_running_loop()
        self._scheduler.let_run(self)
        for _ in range(_KILLS):
            tasks = asyncio.all_tasks(self)
            for task in tasks:
                task.cancel()
            while self._ready:
                self._run_ready(len(self._ready))
            if not tasks:
                break
        self.is_dead = True
        self._scheduler.let_run(killer)

    def pause(self, seconds: float) -> asyncio.Future[None]:
        """Return what is done after a time."""
        future = self.create_future()
        self.call_later(seconds, _settle, future)
        return future

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # the loop's own signature differs between the versions of Python
        self, coro: Coroutine[Any, Any, Result], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Result]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return True  # there is nothing to close

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if "handle" in context and not self.is_dying:
            self._scheduler.faults.append(f"{self.name}: {context.get('message')}: {context.get('exception')!r}")


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
