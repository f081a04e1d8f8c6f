"""Node.js for tests: a process that drives clients of gateway/web by commands (drive_client.mjs)."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.client.scripted_server import Peer, ScriptedServer
from tests.support.requirements import ROOT, missing, require_program

_REMEDY = "install Node.js 20.10 or newer (on Debian: apt-get install nodejs)"
WITHIN_SECONDS = 30.0


def node_command() -> list[str]:
    """How to start Node.js with a WebSocket: on by default from 22 on, behind a flag from 20.10 on."""
    node = str(require_program("node", _REMEDY))
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in text.strip().lstrip("v").split(".")[:2])
    if version < (20, 10):
        missing(f"a WebSocket in node {text.strip()}", _REMEDY)
    return [node] if version >= (22, 0) else [node, "--experimental-websocket", "--no-warnings"]


class JavaScript:
    """Clients by name; `do` sends one command and waits for its answer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, command: str, **options: Any) -> Any:
        """The result of a command; an error of it fails the test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **options}).encode() + b"\n")
        async with asyncio.timeout(WITHIN_SECONDS):
            answer = json.loads(await self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer["result"]


@asynccontextmanager
async def javascript(*switches: str) -> AsyncIterator[JavaScript]:
    """A Node.js process for the length of the block, with switches of Node.js."""
    script = str(ROOT / "tests" / "web" / "drive_client.mjs")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*node_command(), *switches, script, stdin=pipe, stdout=pipe, limit=1 << 22)
    try:
        yield JavaScript(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def meet_in_javascript(js: JavaScript, server: ScriptedServer, name: str, **known: Any) -> tuple[Peer, dict[str, Any]]:
    """Let a JavaScript client in; returns the server's end and the hello."""
    connecting = asyncio.create_task(js.do("connect", name=name))
    peer = await server.accept()
    hello = await peer.let_in(**known)
    await connecting
    return peer, hello
