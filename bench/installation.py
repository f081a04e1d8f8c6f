"""A WedSync of our own: `wedsync up` in a folder, with its processes by name, to measure, to kill and to start again.

`Installation` is the bench's; `Site` is any running one, also that of the acceptance tests. They know the command line and the
data folder, nothing inside the processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import psutil

from config.supervision.data_folder import DataFolder
from config.supervision.ports import free_port
from config.supervision.processes import same_process
from gateway.access.tokens import make_token

START_WITHIN_SECONDS: Final = 120.0
STOP_WITHIN_SECONDS: Final = 40.0
TOKEN_LIFETIME_SECONDS: Final = 24 * 3600.0


class Site(NamedTuple):
    """A WedSync that serves somewhere on this machine, whoever started it."""

    url: str
    data: DataFolder

    def token(self, principal: str, wedding: str) -> str:
        """A token as `wedsync token` would print it, made here from the folder's secret."""
        return make_token(
            self.data.keys().jwt_secret,
            principal,
            wedding,
            use="client",
            lifetime_seconds=TOKEN_LIFETIME_SECONDS,
            now=time.time(),
        )

    def processes(self) -> list[dict[str, Any]]:
        """Role, id, pid and ports of every process under supervision."""
        found: list[dict[str, Any]] = self.data.read_state().get("processes", [])
        return found

    def kill(self, role: str) -> int:
        """SIGKILL the first process of a role (host, gateway, nats-server, postgres); returns its pid."""
        entry = next(entry for entry in self.processes() if entry["role"].startswith(role) and entry.get("pid"))
        os.kill(entry["pid"], signal.SIGKILL)
        pid: int = entry["pid"]
        return pid


class InstallationFailed(Exception):
    """`wedsync up` did not come up; its log, named in the message, says why."""

    code = "installation_failed"


class Installation:
    """One `wedsync up`. `start` may be called again after `stop` or `kill_everything`: the data stays."""

    def __init__(
        self,
        folder: Path,
        *,
        gateways: int = 1,
        hosts: int = 1,
        nats_servers: int = 1,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = ("config.cli.app",),
    ) -> None:
        """`command` is the module that is started with `up`, and arguments of its own before it."""
        self.data = DataFolder(folder / "data")
        self.log_path = folder / "up.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.nats_url = ""
        #: What `python -m` starts; may be changed until `start`.
        self.command = tuple(command)
        self._counts = ["--gateways", str(gateways), "--hosts", str(hosts), "--cluster", str(nats_servers)]
        self._environment = {**os.environ, "WEDSYNC_LOG_FORMAT": "json", **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and return when it serves; raises InstallationFailed."""
        self.data.create()
        arguments = ["up", "--data", str(self.data.path), "--port", str(self.port), *self._counts]
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", *self.command, *arguments),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_WITHIN_SECONDS):
                line = (await self._process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        if not line.startswith("READY "):
            await self.stop()
            raise InstallationFailed(f"`wedsync up` did not say READY but {line!r}; see {self.log_path}.")
        self.nats_url = line.split()[2]

    async def stop(self) -> None:
        """Ask it to end, as Ctrl-C does, and wait."""
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            # Not through asyncio, which would collect the exit status of a process that has just ended.
            os.kill(self._process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.kill_everything()

    @property
    def has_ended(self) -> bool:
        """Whether `up` has given up by itself, as for a damaged log."""
        return self._process is None or self._process.returncode is not None

    @property
    def site(self) -> Site:
        """Where it serves."""
        return Site(self.url, self.data)

    def pids(self) -> dict[str, int]:
        """The pid of every process under supervision by its id, and of the supervisor itself as `up`."""
        pids = {entry["id"]: entry["pid"] for entry in self.site.processes() if entry.get("pid")}
        return pids | ({"up": self._process.pid} if self._process is not None else {})

    async def kill_everything(self) -> None:
        """SIGKILL the supervisor and every process at once, as a power cut would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
        for entry in reversed(self.site.processes()):
            # What died a moment ago is still named, and its pid may be somebody else's by now.
            process = same_process(entry["pid"], entry["started"]) if entry.get("pid") and entry.get("started") else None
            if process is not None:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        if self._process is not None:
            await self._process.wait()
