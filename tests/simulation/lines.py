"""The line between one process and the servers: how a question gets there and an answer back, and what can go wrong on the way.

`DirectLine` has no faults and runs in any event loop: the contract suite uses it. `SimulatedLine` takes virtual time, loses
questions and answers while its server is away, and carries nothing for a process that is being killed.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from store.errors import StoreError
from tests.simulation.processes import Process, Scheduler

Result = TypeVar("Result")


class Line(Protocol):
    """See the module."""

    async def ask(self, work: Callable[[], Result]) -> Result:
        """Let the server do that, at one instant, and return what it answers; raises what the server raises."""
        ...

    def deliver(self, callback: Callable[[], object]) -> None:
        """Let the process hear of something, in a while."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait before asking again."""
        ...


class DirectLine:
    """Asks at once."""

    async def ask(self, work: Callable[[], Result]) -> Result:
        await asyncio.sleep(0)
        return work()

    def deliver(self, callback: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    async def pause(self, seconds: float) -> None:
        del seconds
        await asyncio.sleep(0)


class Server:
    """What the faults make of one server."""

    def __init__(self, scheduler: Scheduler, process: Process, slowest_seconds: float) -> None:
        self.scheduler = scheduler
        self.process = process
        self.slowest_seconds = slowest_seconds
        self.is_up = True
        #: How often an answer gets lost while it is up.
        self.loss = 0.0
        self.lost_answers = 0

    def delay(self) -> float:
        """Mostly short, now and then long."""
        return 0.0005 + self.slowest_seconds * self.scheduler.random.random() ** 4


class SimulatedLine:
    """The line of one process to one server; `away` makes the error of a question whose fate nobody knows."""

    def __init__(self, process: Process, server: Server, away: Callable[[], StoreError]) -> None:
        self._process = process
        self._server = server
        self._away = away

    async def ask(self, work: Callable[[], Result]) -> Result:
        if self._process.is_dying:
            raise asyncio.CancelledError
        answer: asyncio.Future[Result] = self._process.create_future()
        self._server.process.call_later(self._server.delay(), self._carry_out, work, answer)
        return await answer

    def _carry_out(self, work: Callable[[], Result], answer: asyncio.Future[Result]) -> None:
        server = self._server
        outcome: Callable[[asyncio.Future[Any]], None]
        if not server.is_up:
            outcome = _failed(self._away())
        else:
            try:
                outcome = _done(work())
            except StoreError as error:
                outcome = _failed(error)
        self._process.call_later(server.delay(), self._settle, answer, outcome)

    def _settle(self, answer: asyncio.Future[Any], outcome: Callable[[asyncio.Future[Any]], None]) -> None:
        if answer.done():
            return
        server = self._server
        if not server.is_up or (server.loss and server.scheduler.random.random() < server.loss):
            server.lost_answers += 1
            outcome = _failed(self._away())
        outcome(answer)

    def deliver(self, callback: Callable[[], object]) -> None:
        self._process.call_later(self._server.delay(), callback)

    async def pause(self, seconds: float) -> None:
        await self._process.pause(seconds)


def _done(result: Any) -> Callable[[asyncio.Future[Any]], None]:
    return lambda answer: answer.set_result(result)


def _failed(error: StoreError) -> Callable[[asyncio.Future[Any]], None]:
    return lambda answer: answer.set_exception(error)
