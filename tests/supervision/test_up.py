"""`wedsync up` with everything real: one line when it serves, one owner per folder, nothing left behind."""

import asyncio
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from config.supervision.data_folder import DataFolder
from config.supervision.ports import free_port
from config.supervision.processes import running
from gateway.client import Client, Connection
from tests.support.requirements import require_nats_command_line
from tests.support.waiting import eventually_blocking
from tests.support.wedsync_process import WedSync

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

WEDDING = {
    "title": "By the lake",
    "date": "2027-06-19",
    "timeZone": "Europe/Zurich",
    "homeCurrency": "CHF",
    "role": "planner",
}


@pytest.fixture(scope="module")
def wedsync(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WedSync]:
    """One WedSync with two hosts and two gateways, for the tests that leave it running."""
    folder = tmp_path_factory.mktemp("up")
    running_up = WedSync(folder / ".wedsync", folder / "up.log")
    running_up.start("--hosts", "2", "--gateways", "2")
    yield running_up
    running_up.stop()


def pids_of(wedsync: WedSync) -> list[int]:
    return [each["pid"] for each in wedsync.status()["processes"]]


def none_runs(pids: list[int]) -> bool:
    return all(running(pid) is None for pid in pids)


def create_wedding(wedsync: WedSync, wedding: str) -> str:
    """Make a wedding whose planner is paula; gives her token."""
    token = wedsync.output_of("token", "--wedding", wedding, "--user", "paula")
    status, body = wedsync.request("POST", "/api/collaboration/weddings", token, {"id": wedding, **WEDDING})
    assert status in {200, 201}, body
    return token


def test_status_shows_every_process(wedsync: WedSync) -> None:
    """Role, id, pid, ports and state of hosts, gateways and both servers; two gateways share the public port."""
    status = wedsync.status()
    assert status["serving"]
    assert status["httpUrl"] == wedsync.http_url
    shown = {each["id"]: each for each in status["processes"]}
    assert set(shown) == {"postgres", "nats-server", "host-1", "host-2", "gateway-1", "gateway-2"}
    assert {each["state"] for each in shown.values()} == {"ready"}
    assert shown["gateway-1"]["ports"] == shown["gateway-2"]["ports"] == {"http": wedsync.port}
    assert wedsync.run("status").returncode == 0


def test_second_up_names_the_holder(wedsync: WedSync) -> None:
    """A second `up` on the folder says on one line which process holds it, and does no harm."""
    assert wedsync.process is not None
    done = wedsync.run("up", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"pid {wedsync.process.pid}" in done.stderr.splitlines()[-1]
    assert wedsync.status()["serving"]


def test_health_of_a_gateway(wedsync: WedSync) -> None:
    """What READY promises: the port answers and the gateway is ready."""
    assert wedsync.request("GET", "/healthz")[0] == 200
    assert wedsync.request("GET", "/readyz")[0] == 200


def test_token_of_a_stranger_adds_a_member(wedsync: WedSync) -> None:
    """An unknown person needs a role and becomes a member; a known one needs none, and no other is accepted."""
    create_wedding(wedsync, "token-wedding")
    arguments = ("token", "--wedding", "token-wedding", "--user", "viktor")
    without_role = wedsync.run(*arguments)
    assert (without_role.returncode, without_role.stdout) == (2, "")
    assert "--role" in without_role.stderr
    token = wedsync.output_of(*arguments, "--role", "vendor")
    status, joined = wedsync.request("POST", "/api/collaboration/join/token-wedding", token)
    assert status == 200, joined
    assert wedsync.run(*arguments).returncode == 0
    other_role = wedsync.run(*arguments, "--role", "guest")
    assert (other_role.returncode, other_role.stdout) == (1, "")
    assert "vendor" in other_role.stderr


def test_token_for_no_wedding_opens_nothing_but_its_creation(wedsync: WedSync) -> None:
    """Where there is no wedding nobody is added, and joining is refused."""
    token = wedsync.output_of("token", "--wedding", "not-yet", "--user", "paula", "--role", "planner")
    assert wedsync.request("POST", "/api/collaboration/join/not-yet", token)[0] == 404


def test_integrator_gets_credentials(wedsync: WedSync) -> None:
    """The URL stands alone on standard output, the subjects on standard error; a second call adds only what is missing."""
    token = create_wedding(wedsync, "integrator-wedding")
    arguments = ("integrator", "--wedding", "integrator-wedding", "--id", "florist-system")
    done = wedsync.run(*arguments, "--role", "vendor")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nats://florist-system:")
    assert "wedding.integrator-wedding.op.florist-system" in done.stderr
    target = {"collection": "permissions", "id": "florist-system"}
    other_words = {
        "type": "permission_update",
        "action": "update",
        "target": target,
        "data": {"integrator": None, "read": ["guests"]},
    }
    assert wedsync.request("POST", "/api/collaboration/events/integrator-wedding", token, other_words)[0] == 200
    assert wedsync.run(*arguments).returncode == 0
    assert wedsync.run("integrator", "--wedding", "integrator-wedding", "--id", "host", "--role", "vendor").returncode == 2


async def generation_of(wedsync: WedSync, wedding: str, token: str) -> int:
    """The generation that a client is told at its welcome."""
    async with aiohttp.ClientSession() as session:
        connection = await Connection.open(session, wedsync.http_url)
        await connection.hello(wedding, token)
        welcome = await connection.receive_until_any("welcome")
        await connection.close()
    generation: int = welcome["generation"]
    return generation


@pytest.mark.nats_cli
def test_operator_uses_the_nats_command_line(wedsync: WedSync, tmp_path: Path) -> None:
    """After `wedsync context` the real `nats` lists services and streams, and publishes an op that is applied."""
    nats = require_nats_command_line()
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}

    def ask(*arguments: str) -> str:
        command = [str(nats), "--context", "wedsync", "--timeout", "5s", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout

    token = create_wedding(wedsync, "operator-wedding")
    installed = wedsync.run("context", XDG_CONFIG_HOME=str(tmp_path))
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / "nats" / "context" / "wedsync.json").stat().st_mode & 0o777 == 0o600
    services = sorted(service["name"] for service in json.loads(ask("micro", "ls", "--json")))
    assert services == ["wedsync-gateway", "wedsync-gateway", "wedsync-host", "wedsync-host"]
    assert {"LOG_0", "INTAKE", "DEAD", "TIMERS"} <= set(ask("stream", "ls", "--names").split())
    op = {
        "type": "task_completion",
        "action": "insert",
        "target": {"collection": "tasks", "id": "from-nats"},
        "data": {"title": "Order candles", "done": False},
    }
    assert '"stream":"INTAKE"' in ask("request", "wedding.operator-wedding.op.operator", json.dumps(op))

    def is_applied() -> bool:
        _, answer = wedsync.request("POST", "/api/collaboration/sync/operator-wedding", token, {"ops": [], "channels": {}})
        return "from-nats" in json.dumps(answer)

    eventually_blocking(is_applied, "the operator's op is applied")


def test_nothing_is_left_and_everything_found_again(tmp_path: Path) -> None:
    """SIGTERM and SIGKILL of `up` leave no process; the next start has the same ports, keys and weddings."""
    wedsync = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    try:
        wedsync.start()
        address, token = wedsync.nats_url, create_wedding(wedsync, "kept-wedding")
        for end in (wedsync.stop, wedsync.kill):
            pids = pids_of(wedsync)
            rest = end()
            assert rest in {"", None}
            eventually_blocking(partial(none_runs, pids), "every process ends")
            assert not wedsync.status()["serving"]
            wedsync.start()
            assert wedsync.nats_url == address
            status, joined = wedsync.request("POST", "/api/collaboration/join/kept-wedding", token)
            assert status == 200, joined
    finally:
        wedsync.stop()


def test_single_roles_join(wedsync: WedSync) -> None:
    """`wedsync host` and `wedsync gateway` find a running WedSync through its folder, serve beside it and leave in order."""
    port = free_port()
    with (
        wedsync.beside("host", "--id", "host-9") as host,
        wedsync.beside("gateway", "--id", "gateway-9", "--port", str(port)) as gateway,
    ):
        assert host.stdout is not None
        assert gateway.stdout is not None
        assert next(line for line in host.stdout if not line.startswith("STARTING")) == "READY host host-9\n"
        assert gateway.stdout.readline() == f"READY gateway gateway-9 {port}\n"
        beside = WedSync(wedsync.data, wedsync.log_path)
        beside.http_url = f"http://127.0.0.1:{port}"
        assert beside.request("GET", "/readyz")[0] == 200
    assert (host.returncode, gateway.returncode) == (0, 0)


async def test_backup_and_restore(tmp_path: Path) -> None:
    """A client that has seen more than the restored backup holds comes back to exactly what it held, and goes on."""
    wedsync = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    copy = WedSync(tmp_path / "copy", tmp_path / "copy.log")
    file = tmp_path / "wedsync.backup"
    try:
        await asyncio.to_thread(wedsync.start)
        token = await asyncio.to_thread(create_wedding, wedsync, "saved-wedding")
        async with Client(wedsync.http_url, "saved-wedding", token) as client:
            assert (await client.insert("tasks", "in-backup", {"title": "Candles", "done": False}).outcome()).applied
            held, generation = dict(client.digests()), await generation_of(wedsync, "saved-wedding", token)
            done = await asyncio.to_thread(wedsync.run, "backup", str(file))
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
            assert file.stat().st_mode & 0o777 == 0o600
            assert (await client.insert("tasks", "after-backup", {"title": "Rice", "done": False}).outcome()).applied
            await asyncio.to_thread(wedsync.stop)
            restored = await asyncio.to_thread(copy.run, "restore", str(file))
            assert restored.returncode == 0, restored.stderr
            copy.http_url = wedsync.http_url
            await asyncio.to_thread(copy.start)
            await client.until(lambda: client.is_synced and dict(client.digests()) == held, within_seconds=30)
            assert (await client.insert("tasks", "after-restore", {"title": "Bells", "done": False}).outcome()).applied
            assert client.mismatches == 0
            # What was seen of the old incarnation never goes on in the new one, even where the numbers would fit (design D12).
            assert await generation_of(copy, "saved-wedding", token) > generation
        again = await asyncio.to_thread(copy.run, "restore", str(file))
        assert (again.returncode, again.stdout) == (2, "")
    finally:
        wedsync.stop()
        copy.stop()


def test_backup_while_nothing_runs(wedsync: WedSync, tmp_path: Path) -> None:
    """Without a running `up` the servers are started for the backup and stopped again. (The last of those that share one.)"""
    wedsync.stop()
    done = wedsync.run("backup", str(tmp_path / "wedsync.backup"))
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "wedsync.backup") as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    assert {"keys.json", "postgres.dump", "streams/LOG_0.json", "streams/LOG_0.tar.s2", "streams/INTAKE.json"} <= names
    with DataFolder(wedsync.data).locked():
        assert none_runs([each["pid"] for each in DataFolder(wedsync.data).read_state()["processes"]])
