"""`wedsync up --cluster 3`: three servers from the shipped configuration, streams with three copies, fixed in the folder."""

import asyncio
import json
import os
import signal
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config.supervision import provision
from config.supervision.data_folder import Cluster, DataFolder
from config.supervision.errors import ClusterFixed
from config.supervision.roles import role_settings
from store.bus import Bus, _answer_of
from store.errors import BusDown, NoLeader
from tests.support.waiting import eventually_blocking
from tests.support.wedsync_process import WedSync

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]
SERVERS = {"nats-server-1", "nats-server-2", "nats-server-3"}


@pytest.fixture
def wedsync(tmp_path: Path) -> Iterator[WedSync]:
    """A cluster of this test."""
    running = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    running.start("--cluster", "3")
    yield running
    running.stop()


async def test_a_cluster_serves_and_keeps_serving_without_one_server(wedsync: WedSync, tmp_path: Path) -> None:
    """READY means leaders; every stream has three copies on three servers; a killed server is started again; a backup goes."""
    streams = await streams_of(wedsync)
    assert set(streams) == {"LOG_0", "LOG_1", "LOG_2", "INTAKE", "TIMERS", "DEAD"}
    for info in streams.values():
        assert info["config"]["num_replicas"] == 3
        assert {info["cluster"]["leader"], *(each["name"] for each in info["cluster"]["replicas"])} == SERVERS
    assert wedsync.nats_url.count("nats://") == 3
    context = wedsync.run("context", XDG_CONFIG_HOME=str(tmp_path))
    assert context.returncode == 0, context.stderr
    assert json.loads((tmp_path / "nats" / "context" / "wedsync.json").read_text())["url"] == wedsync.nats_url
    os.kill(wedsync.pid_of("nats-server-2"), signal.SIGKILL)
    token = wedsync.output_of("token", "--wedding", "w1", "--user", "paula")
    wedding = {"id": "w1", "title": "Lake", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF"}
    # While a stream has no leader the answer may be "unavailable, send it again": so does this client.
    create = partial(wedsync.request, "POST", "/api/collaboration/weddings", token, {**wedding, "role": "planner"})
    await asyncio.to_thread(eventually_blocking, lambda: create()[0] in {201, 202, 409}, "it is made", within_seconds=60)
    await asyncio.to_thread(wedsync.wait_until_serving, 60)
    join = partial(wedsync.request, "POST", "/api/collaboration/join/w1", token)
    await asyncio.to_thread(eventually_blocking, lambda: join()[0] == 200, "the wedding is there", within_seconds=60)
    # A stream whose leader died says nothing until it has another one.
    back_up = partial(wedsync.run, "backup", str(tmp_path / "file"))
    await asyncio.to_thread(eventually_blocking, lambda: back_up().returncode == 0, "a backup is made", within_seconds=60)
    with tarfile.open(tmp_path / "file") as archive:
        assert {"./cluster.json", "./streams/LOG_2.json"} <= set(archive.getnames())


async def streams_of(wedsync: WedSync) -> dict[str, dict[str, Any]]:
    """Every stream's information by name."""
    settings = role_settings(DataFolder(wedsync.data), "host")
    bus = await Bus.connect(
        settings.nats_url.get_secret_value(),
        user="host",
        password=settings.nats_password.get_secret_value(),
        name="test",
        inbox_prefix="_INBOX_host",
    )
    names = (await bus.js_request("STREAM.NAMES"))["streams"]
    found = {name: await bus.js_request(f"STREAM.INFO.{name}") for name in names}
    await bus.close()
    return found


def test_the_size_of_a_cluster_is_fixed_in_its_folder(tmp_path: Path) -> None:
    """A folder made with one server refuses three and the other way round; without an option each goes on as it is."""
    single, triple = DataFolder(tmp_path / "single"), DataFolder(tmp_path / "triple")
    for folder, servers in ((single, 1), (triple, 3)):
        folder.create()
        assert folder.settle_cluster(Cluster(servers, servers)).servers == servers
        folder.ensure_keys()
        assert folder.cluster() == Cluster(servers, servers)
        with pytest.raises(ClusterFixed, match=f"--cluster {servers}, not {4 - servers}"):
            folder.settle_cluster(Cluster(4 - servers, 1))


def test_no_other_size_is_taken(tmp_path: Path) -> None:
    """Two servers would survive nothing, so they are refused on one line."""
    done = WedSync(tmp_path / ".wedsync", tmp_path / "up.log").run("up", "--cluster", "2")
    assert done.returncode == 2
    assert "neither 1 nor 3" in done.stderr


async def test_a_server_that_dies_while_a_cluster_is_asked_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands go on when the server they talk to is gone, when peers are missing and while there is no leader."""
    monkeypatch.setattr(provision, "_ASK_AGAIN_SECONDS", 0.0)
    left: list[bytes | Exception] = [
        BusDown(),
        b'{"error":{"code":400,"err_code":10005,"description":"no suitable peers for placement"}}',
        NoLeader(),
        b'{"streams":[]}',
    ]

    async def ask() -> dict[str, Any]:
        said = left.pop(0)
        if isinstance(said, Exception):
            raise said
        return _answer_of(said)

    assert await provision.with_a_leader(ask) == {"streams": []}
