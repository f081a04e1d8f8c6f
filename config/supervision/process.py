"""One supervised process: start it, know when it serves, start it again when it dies, stop it.

A child of ours prints a line `READY ...` on its standard output, and before it perhaps lines `STARTING ...`, each of which
gives it its time anew; a server is asked by the probe of its `ChildSpec`, and its output is relayed to our log. Only
`supervisor` calls this; what runs inside the process is not known here.
"""

import asyncio
import contextlib
import enum
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog

from config.exit_codes import NEEDS_OPERATOR
from config.supervision.child import ChildSpec
from config.supervision.errors import OperatorNeeded, ProcessDied, ProcessNotReady
from config.supervision.processes import started_at
from config.supervision.stuck import end_when_it_helps

_PROBE_EVERY_SECONDS = 0.02
_LONGEST_LINE_BYTES = 1 << 20
# The first restart is immediate: whoever waits for a dead host waits 3 s at most.
_RESTART_AFTER_SECONDS = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
_STEADY_AFTER_SECONDS = 30.0

log = structlog.get_logger(__name__)


class ProcessState(enum.StrEnum):
    """Where a process stands; shown by `wedsync status`."""

    STARTING = "starting"
    """It runs and does not serve yet."""
    READY = "ready"
    """It serves."""
    STUCK = "stuck"
    """It runs and does its work no more; it will be started again once that helps."""
    WAITING = "waiting"
    """It died and will be started again after a pause."""
    STOPPING = "stopping"
    """It was asked to end."""
    STOPPED = "stopped"
    """It does not run and will not be started again."""


class _Life(NamedTuple):
    """One run of the program: since when (seconds since 1970), and who relays its output."""

    child: asyncio.subprocess.Process
    started: float | None
    output: asyncio.Task[None]

    @property
    def goes_on(self) -> bool:
        return self.child.returncode is None

    async def end(self) -> int:
        """Return its exit status when it has ended and its last lines, which tell why, are relayed."""
        exit_status = await self.child.wait()
        await asyncio.wait({self.output})
        return exit_status


class Process:
    """One child and its restarts."""

    def __init__(self, spec: ChildSpec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.state = ProcessState.STOPPED
        self.restarts = 0
        self._changed = changed
        self._life: _Life | None = None
        #: The one that `replace` is about to end, and what keeps that and a restart apart.
        self._replaced: _Life | None = None
        self._changing = asyncio.Lock()
        self._successions = 0
        self._said_ready = asyncio.Event()
        self._deadline = asyncio.timeout(None)
        self._ending_stuck: asyncio.Task[None] | None = None

    def describe(self) -> dict[str, Any]:
        """What `wedsync status` shows of it."""
        return {
            "role": self.spec.role,
            "id": self.spec.identity,
            "pid": self._life.child.pid if self._life else None,
            "started": self._life.started if self._life else None,
            "ports": dict(self.spec.ports),
            "state": self.state.value,
            "restarts": self.restarts,
            "stopSignal": int(self.spec.stop_signal),
        }

    async def start(self) -> None:
        """Start it and return when it serves; raises ProcessDied or ProcessNotReady."""
        life = await self._spawn()
        try:
            async with asyncio.timeout(self.spec.ready_within_seconds) as self._deadline:
                await self._wait_until_ready(life)
        except TimeoutError:
            raise ProcessNotReady(identity=self.spec.identity, seconds=self.spec.ready_within_seconds) from None
        self._enter(ProcessState.READY)

    async def keep_running(self) -> None:
        """Start it again whenever it ends, until cancelled; call after `start`. Raises OperatorNeeded when that is in vain."""
        failures = 0
        while (life := self._life) is not None:
            since = time.monotonic()
            exit_status = await life.end()
            async with self._changing:
                if life is not self._life:
                    # It was replaced.
                    continue
                if exit_status == NEEDS_OPERATOR:
                    raise OperatorNeeded(identity=self.spec.identity)
                failures = 0 if time.monotonic() - since > _STEADY_AFTER_SECONDS else failures
                pause = _RESTART_AFTER_SECONDS[min(failures, len(_RESTART_AFTER_SECONDS) - 1)]
                failures += 1
                # Somebody may have ended it in good order, as with SIGTERM before an upgrade; that is no fault.
                tell, event = (log.info, "process_ended") if exit_status == 0 else (log.error, "process_died")
                tell(event, id=self.spec.identity, exit_status=exit_status, restart_in_seconds=pause)
                self._enter(ProcessState.WAITING)
                await asyncio.sleep(pause)
                self.restarts += 1
                await self._restart()

    async def replace(self) -> None:
        """Start another one beside it, and end the first when the second serves; raises as `start`, and the first goes on."""
        async with self._changing:
            first = self._replaced = self._life
            self._successions += 1
            try:
                await self.start()
            except BaseException:
                if self._life is not None and self._life is not first and self._life.goes_on:
                    self._life.child.kill()
                self._life, self._replaced = first, None
                self._enter(ProcessState.READY)
                raise
            self.restarts += 1
            if first is not None:
                await self._end(first)
            self._replaced = None
            self._changed()

    async def stop(self) -> None:
        """Ask it to end, and kill it when its time is over."""
        lives = [life for life in (self._replaced, self._life) if life is not None and life.goes_on]
        if lives:
            self._enter(ProcessState.STOPPING)
            await asyncio.gather(*(self._end(life) for life in lives))
        self._enter(ProcessState.STOPPED)

    async def _end(self, life: _Life) -> None:
        with contextlib.suppress(ProcessLookupError):
            life.child.send_signal(self.spec.stop_signal)
        try:
            async with asyncio.timeout(self.spec.stop_within_seconds):
                await life.child.wait()
        except TimeoutError:
            log.warning("process_killed", id=self.spec.identity, after_seconds=self.spec.stop_within_seconds)
            life.child.send_signal(signal.SIGKILL)
            await life.child.wait()

    def kill(self) -> None:
        """End it at once."""
        for life in (self._replaced, self._life):
            if life is not None and life.goes_on:
                life.child.send_signal(signal.SIGKILL)

    async def _restart(self) -> None:
        try:
            await self.start()
        except ProcessDied:
            return
        except OSError as error:
            # No memory or no process left: the next attempt follows after a longer pause.
            log.warning("process_not_started", id=self.spec.identity, reason=str(error))
        except ProcessNotReady as error:
            log.warning("process_not_ready", id=self.spec.identity, reason=str(error))
            self.kill()
        else:
            log.info("process_restarted", id=self.spec.identity, restarts=self.restarts)

    async def _spawn(self) -> _Life:
        spec = self.spec
        self._said_ready.clear()
        child = await asyncio.create_subprocess_exec(
            *spec.command,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT if spec.is_ready else None,
            limit=_LONGEST_LINE_BYTES,
            # A Ctrl-C on the terminal is for us alone: we stop the others in order.
            start_new_session=True,
            preexec_fn=spec.before_exec(),
        )
        self._life = _Life(child, started_at(child.pid), asyncio.create_task(self._relay_output(child)))
        self._enter(ProcessState.STARTING)
        return self._life

    def _environment(self) -> dict[str, str]:
        """Two that run at once must not have the same name: others would take the one for a new life of the other."""
        variable, own = self.spec.name_variable, {}
        if variable and self._successions:
            own = {variable: f"{self.spec.identity}-{self._successions}"}
        return {**self.spec.environment, **own}

    async def _wait_until_ready(self, life: _Life) -> None:
        ended = asyncio.create_task(life.end())
        ready = asyncio.create_task(self._ready(life.child))
        try:
            await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise ProcessDied(identity=self.spec.identity, exit_status=ended.result())
            ready.result()
        finally:
            for task in (ended, ready):
                task.cancel()

    async def _ready(self, child: asyncio.subprocess.Process) -> None:
        is_ready = self.spec.is_ready
        if is_ready is None:
            await self._said_ready.wait()
            return
        while not await asyncio.to_thread(is_ready, child.pid):  # noqa: ASYNC110  # nothing could set an event
            await asyncio.sleep(_PROBE_EVERY_SECONDS)

    async def _relay_output(self, child: asyncio.subprocess.Process) -> None:
        while child.stdout is not None:
            try:
                line = await child.stdout.readline()
            except ValueError:
                # Longer than any line of ours or of the servers; the reader has dropped it.
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            if self.spec.is_ready is None and text.startswith("READY"):
                self._said_ready.set()
            elif self.spec.is_ready is None and text.startswith("STARTING"):
                self._gets_on()
            else:
                relay_line(self.spec.identity, text)
                if self.spec.stuck_after and self.spec.stuck_after in text.lower():
                    self._is_stuck(child)

    def _gets_on(self) -> None:
        """Give a child that starts its time anew: how much there is to read before it serves nobody knows."""
        if self.state is ProcessState.STARTING:
            with contextlib.suppress(RuntimeError):  # its time was over before
                self._deadline.reschedule(asyncio.get_running_loop().time() + self.spec.ready_within_seconds)

    def _is_stuck(self, child: asyncio.subprocess.Process) -> None:
        if self.state in (ProcessState.READY, ProcessState.STARTING):
            self._enter(ProcessState.STUCK)
            self._ending_stuck = asyncio.create_task(end_when_it_helps(self.spec, child))

    def _enter(self, state: ProcessState) -> None:
        self.state = state
        with contextlib.suppress(OSError):
            # A full disk must not end the supervision; the state file is only for `status`.
            self._changed()


_ERROR_MARKS = ("[ERR]", "[FTL]", "ERROR:", "FATAL:", "PANIC:")
_QUIET_MARKS = ("[INF]", "[DBG]", "[TRC]", " LOG:", " INFO:", "NOTICE:")
# The passwords stand in the environment of the server only; the servers of a cluster look for each other while they start
# and while one is away, which we report ourselves.
_EXPECTED = (
    "Plaintext passwords detected",
    "Error trying to connect to route",
    "Waiting for routing to be established",
    "has not established contact with a meta leader",
    "Metalayer blocking snapshot",
)


def relay_line(identity: str, line: str) -> None:
    """Pass a line of a server's output to our log at its own level."""
    if not line or any(mark in line for mark in _EXPECTED):
        return
    if any(mark in line for mark in _ERROR_MARKS):
        log.error("server_says", id=identity, line=line)
    elif any(mark in line for mark in _QUIET_MARKS):
        log.debug("server_says", id=identity, line=line)
    else:
        log.warning("server_says", id=identity, line=line)
