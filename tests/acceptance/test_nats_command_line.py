"""What an operator does with the real `nats` command line: look at the services and the streams, publish an op."""

import asyncio
import json
import os
import re
import shlex
from pathlib import Path

import aiohttp
import pytest

from gateway.client import Client
from tests.acceptance.conftest import Wedding
from tests.support.requirements import ROOT, require_nats_command_line
from tests.support.waiting import eventually
from tests.support.wedsync_process import WedSync

pytestmark = pytest.mark.nats_cli


class NatsCommandLine:
    """`nats` with the context that `wedsync context` installed."""

    def __init__(self, program: Path, home: Path) -> None:
        self._program = program
        self._environment = {**os.environ, "XDG_CONFIG_HOME": str(home)}

    async def run(self, *arguments: str) -> str:
        """Run a command; gives its standard output."""
        process = await asyncio.create_subprocess_exec(
            *(str(self._program), "--context", "wedsync", *arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode()


@pytest.fixture
def nats_command(wedsync: WedSync, tmp_path: Path) -> NatsCommandLine:
    """The command line, ready to be used."""
    program = require_nats_command_line()
    done = wedsync.run("context", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    return NatsCommandLine(program, tmp_path)


async def test_services_list_every_gateway_and_host(nats_command: NatsCommandLine) -> None:
    """`nats micro ls` shows a gateway and a host, `info` and `stats` say more of each."""
    services = json.loads(await nats_command.run("micro", "ls", "--json"))
    names = {service["name"] for service in services}
    assert any("gateway" in name for name in names), names
    assert any("host" in name for name in names), names
    for name in names:
        assert json.loads(await nats_command.run("micro", "info", name, "--json"))
        assert json.loads(await nats_command.run("micro", "stats", name, "--json"))


async def test_streams_say_what_they_are(nats_command: NatsCommandLine) -> None:
    """Every stream has a description, and so have its consumers."""
    for stream in ("LOG_0", "INTAKE", "TIMERS", "DEAD"):
        shown = json.loads(await nats_command.run("stream", "info", stream, "--json"))
        assert shown["config"]["description"]
    assert "LOG_0" in await nats_command.run("stream", "ls", "--names")


async def test_i4_an_op_published_by_an_operator_reaches_the_clients(
    nats_command: NatsCommandLine, wedding: Wedding, http: aiohttp.ClientSession
) -> None:
    """An op that was published with `nats pub` arrives at a connected client like any other."""
    async with Client(wedding.site.url, wedding.name, wedding.token("ana"), session=http) as client:
        op = {
            "type": "task_completion",
            "action": "insert",
            "target": {"collection": "tasks", "id": "from-the-desk"},
            "data": {"title": "Call the florist"},
        }
        await nats_command.run("pub", f"wedding.{wedding.name}.op.operator", json.dumps(op))
        await client.until(lambda: "from-the-desk" in client.confirmed().get("tasks", {}))
        assert client.confirmed()["tasks"]["from-the-desk"]["title"] == "Call the florist"


async def test_every_look_of_the_operations_guide_works(nats_command: NatsCommandLine, wedding: Wedding) -> None:
    """Each `nats` line of docs/operations.md that looks at something runs as it stands; what goes on for ever is left out."""
    await nats_command.run("pub", f"wedding.{wedding.name}.op.operator", "not an op")
    await eventually(lambda: _holds(nats_command, "DEAD"), "the bad op lies in DEAD")
    task = {"collection": "tasks", "id": "some-day"}
    op = {"type": "task_completion", "action": "insert", "target": task, "data": {"title": "Rest", "due": "2199-01-01T00:00:00Z"}}
    await nats_command.run("pub", f"wedding.{wedding.name}.op.operator", json.dumps(op))
    await eventually(lambda: _holds(nats_command, "TIMERS"), "its timer lies in TIMERS")
    guide = (ROOT / "docs" / "operations.md").read_text()
    lines = [match.split("  ")[0] for match in re.findall(r"^    nats --context wedsync (.*)$", guide, re.MULTILINE)]
    looks = [line for line in lines if line.split()[0] not in {"sub", "request"}]
    assert len(looks) >= 10
    for look in looks:
        assert await nats_command.run(*shlex.split(look)), look


async def _holds(nats_command: NatsCommandLine, stream: str) -> bool:
    info = json.loads(await nats_command.run("stream", "info", stream, "--json"))
    return bool(info["state"]["messages"])
