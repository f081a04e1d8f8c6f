"""The product as its users start it: `wedsync up` as a process, and the other commands against its data folder.

Used by the tests of supervision and acceptance. Everything that was started here is ended here.
"""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.waiting import eventually_blocking

_READY = re.compile(r"READY (http://127\.0\.0\.1:\d+) (nats://127\.0\.0\.1:\d+(?:,nats://127\.0\.0\.1:\d+)*)\n")
_WEDSYNC = (sys.executable, "-m", "config.cli.app")


class WedSync:
    """One `wedsync up` and its data folder."""

    def __init__(self, data: Path, log_path: Path) -> None:
        self.data = data
        self.log_path = log_path
        self.http_url = ""
        self.nats_url = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str, **environment: str) -> None:
        """Start it and return when it has printed its READY line."""
        command = [*_WEDSYNC, "up", "--port", str(self.port or 0), "--data", str(self.data), *options]
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        ready = _READY.fullmatch(line)
        assert ready, f"no READY line but {line!r}; the log says:\n{self.log_path.read_text()}"
        self.http_url, self.nats_url = ready.groups()

    @property
    def port(self) -> int:
        """The public port; 0 before the first start, which takes a free one."""
        return int(self.http_url.rpartition(":")[2]) if self.http_url else 0

    def stop(self) -> str:
        """SIGTERM; returns what came on standard output after the READY line. Does nothing when it does not run."""
        if self.process is None:
            return ""
        self.process.terminate()
        rest, _ = self.process.communicate(timeout=60)
        self.process = None
        return rest

    def kill(self) -> None:
        """SIGKILL of `up` alone."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=60)
        self.process = None

    @contextmanager
    def beside(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Another long-running command against this data folder; it gets SIGTERM at the end, and SIGKILL if that is in vain."""
        command = [*_WEDSYNC, arguments[0], "--data", str(self.data), *arguments[1:]]
        with (
            self.log_path.open("a") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                yield process
                process.terminate()
                process.wait(timeout=30)
            finally:
                process.kill()

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run another command against this data folder."""
        command = [*_WEDSYNC, arguments[0], "--data", str(self.data), *arguments[1:]]
        variables = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=variables)

    def output_of(self, *arguments: str) -> str:
        """Run another command that must succeed; gives its standard output without the last line break."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def status(self) -> dict[str, Any]:
        """What `wedsync status --json` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def pid_of(self, identity: str) -> int:
        """The pid of one process: `host-1`, `gateway-1`, `nats-server`, `postgres`."""
        pid: int = next(each["pid"] for each in self.status()["processes"] if each["id"] == identity)
        return pid

    def wait_until_serving(self, within_seconds: float = 30.0) -> None:
        """Return when every process serves again."""
        eventually_blocking(lambda: self.status()["serving"], "everything serves again", within_seconds=within_seconds)

    def request(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, Any]:
        """One HTTP request; gives status and decoded JSON (text where it is none)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            content = response.read().decode()
        finally:
            connection.close()
        return response.status, json.loads(content) if "json" in response.getheader("Content-Type", "") else content
