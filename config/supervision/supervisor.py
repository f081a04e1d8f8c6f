"""The supervisor of one `wedsync up`: starts groups of processes, keeps them running, drains them in order.

Groups are started one after the other, the processes of a group together; they are stopped role by role in the reverse
order. What the processes are is decided in `config.cli.up`. Their state is written to the data folder at each change.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import structlog

from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder
from config.supervision.errors import ProcessDied, SupervisionError
from config.supervision.process import Process
from config.supervision.processes import end, same_process, started_at

_LEFT_OVER_WITHIN_SECONDS = 10.0
_KILLED_AT_MOST = 3
#: Asks a running `up` to replace its gateways one by one; sent by `wedsync restart`.
ROLL_SIGNAL = signal.SIGUSR1

log = structlog.get_logger(__name__)


class Supervisor:
    """Runs the processes of one data folder; the caller holds the folder's lock."""

    def __init__(self, folder: DataFolder, addresses: dict[str, Any]) -> None:
        """`addresses` (httpUrl, natsUrl) stand in the state file, where other commands find them."""
        self._folder = folder
        self._addresses = addresses
        self._started = started_at(os.getpid())
        self._groups: list[list[Process]] = []
        self._watches: list[asyncio.Task[None]] = []
        self._rolling: asyncio.Task[None] | None = None
        #: Fails with OperatorNeeded when starting a process again is in vain.
        self.given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start one group and return when all of it serves; the first failure is raised and the group is left to `stop`."""
        group = [Process(spec, self._write_state) for spec in specs]
        self._groups.append(group)
        results = await asyncio.gather(*(_start(process) for process in group), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for process in group:
            watch = asyncio.create_task(process.keep_running())
            watch.add_done_callback(self._watch_ended)
            self._watches.append(watch)

    def _watch_ended(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and (error := watch.exception()) is not None and not self.given_up.done():
            self.given_up.set_exception(error)

    def roll(self, role: str) -> None:
        """Begin to replace the processes of a role, one after the other, each by one that serves before it ends."""
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.create_task(self._replace_all(role))

    async def _replace_all(self, role: str) -> None:
        for process in [process for group in self._groups for process in group if process.spec.role == role]:
            try:
                await process.replace()
            except (SupervisionError, OSError) as error:
                log.error("rolling_restart_ended", id=process.spec.identity, reason=str(error))  # noqa: TRY400  # no fault of ours
                return
            log.info("process_replaced", id=process.spec.identity)

    async def stop(self) -> None:
        """Stop everything, role by role, the last started first."""
        at_work = [*self._watches, *([self._rolling] if self._rolling is not None else [])]
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        last_first = [process for group in reversed(self._groups) for process in reversed(group)]
        for _role, processes in groupby(last_first, key=lambda process: process.spec.role):
            await asyncio.gather(*(process.stop() for process in processes))

    def kill(self) -> None:
        """End everything at once; what was saved stays saved."""
        for group in reversed(self._groups):
            for process in group:
                process.kill()

    def _write_state(self) -> None:
        processes = [process.describe() for group in self._groups for process in group]
        own = {"pid": os.getpid(), "started": self._started}
        self._folder.write_state({**own, **self._addresses, "processes": processes})


async def _start(process: Process) -> None:
    """Start it for the first time; a kill from elsewhere, as when memory is short, says nothing against another attempt."""
    for attempt in range(1, _KILLED_AT_MOST + 1):
        try:
            await process.start()
        except ProcessDied as death:
            if not death.was_killed or attempt == _KILLED_AT_MOST:
                raise
            log.warning("process_killed_at_start", id=process.spec.identity, attempt=attempt)
        else:
            return


def end_left_over(folder: DataFolder) -> None:
    """End the processes that an earlier, killed `up` of this folder left running; the caller holds the lock."""
    for entry in reversed(folder.read_state().get("processes", [])):
        if not entry["pid"] or not entry["started"]:
            continue
        process = same_process(entry["pid"], entry["started"])
        if process is not None:
            log.warning("left_over_process_ended", id=entry["id"], pid=entry["pid"])
            end(process, signal.Signals(entry["stopSignal"]), _LEFT_OVER_WITHIN_SECONDS)


def watch_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    """Set the event at SIGTERM, SIGINT or SIGHUP; the second one does not wait for anybody. SIGUSR1 replaces all gateways."""

    def asked() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(each, asked)
    loop.add_signal_handler(ROLL_SIGNAL, supervisor.roll, "gateway")
