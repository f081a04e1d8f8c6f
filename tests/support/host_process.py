"""A host, or a gateway, as the process that it is in deployments, to be killed, paused and started again by a test."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from config.settings import PREFIX, Settings


class HostProcess:
    """One host, or what `role` says; its standard error goes to `log_path`. `launcher` is the module that is run."""

    def __init__(
        self,
        settings: Settings,
        log_path: Path,
        *,
        role: str = "host",
        ready_within_seconds: float = 20,
        launcher: str = "config.cli.role",
    ) -> None:
        self._launcher = launcher
        self._settings = settings
        self._log_path = log_path
        self._role = role
        self._ready_within_seconds = ready_within_seconds
        self._process: Process | None = None
        self.said_starting = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def start(self) -> None:
        """Start it and return when it serves."""
        assert await self.serves(), self._log_path.read_text()

    async def serves(self) -> bool:
        """Start it; True when it serves, False when it died before."""
        await self._spawn()
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(self._ready_within_seconds):
            while (line := await self._process.stdout.readline()).startswith(b"STARTING"):
                self.said_starting += 1
        return line.startswith(f"READY {self._role} ".encode())

    async def ends(self) -> int:
        """Start it and wait until it ends by itself; returns the exit code."""
        await self._spawn()
        assert self._process is not None
        return await self._process.wait()

    async def _spawn(self) -> None:
        with self._log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                self._launcher,
                self._role,
                stdout=PIPE,
                stderr=log,
                env=os.environ | self._environment(),
            )

    async def kill(self) -> None:
        """SIGKILL: what a crash does."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await self._process.wait()

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    def pause(self) -> None:
        """SIGSTOP: what a stalled machine does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _environment(self) -> dict[str, str]:
        environment = {}
        for name in self._settings.model_fields_set:
            value = getattr(self._settings, name)
            variable = name.upper() if name in {"nats_url", "database_url"} else PREFIX + name.upper()
            environment[variable] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        return environment
