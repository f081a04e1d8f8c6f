"""`wedsync up` with servers of one's own: nothing is embedded, and what is missing is said on one line."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.supervision.child import ChildSpec
from config.supervision.embedded_nats import nats_is_ready, nats_server_program
from config.supervision.ports import free_port
from tests.support.servers import EmbeddedServer
from tests.support.wedsync_process import WedSync

pytestmark = [pytest.mark.processes, pytest.mark.servers]


@pytest.fixture
def plain_nats(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts a nats-server without accounts, with the given lines of configuration; gives its URL."""
    started: list[EmbeddedServer] = []

    def start(configuration: str) -> str:
        port, monitor_port = free_port(), free_port()
        path = tmp_path / "plain.conf"
        path.write_text(f'listen: "127.0.0.1:{port}"\nhttp: "127.0.0.1:{monitor_port}"\n{configuration}\n')
        spec = ChildSpec(
            role="nats",
            identity="plain-nats",
            command=(nats_server_program(), "--config", str(path)),
            environment={},
            is_ready=lambda _pid: nats_is_ready(monitor_port),
            stop_signal=signal.SIGTERM,
        )
        server = EmbeddedServer(lambda: spec, tmp_path / "plain.log")
        server.start()
        started.append(server)
        return f"nats://127.0.0.1:{port}"

    yield start
    for server in started:
        server.stop()


async def test_up_with_own_servers(plain_nats: Callable[[str], str], empty_database_url: str, tmp_path: Path) -> None:
    """With NATS_URL and DATABASE_URL no server is started, READY names the given one, and its fsync is called unverified."""
    nats_url = plain_nats(f'jetstream {{ store_dir: "{tmp_path / "js"}", sync_interval: always }}')
    wedsync = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    try:
        wedsync.start(NATS_URL=nats_url, DATABASE_URL=empty_database_url)
        assert wedsync.nats_url == nats_url
        assert {each["role"] for each in wedsync.status()["processes"]} == {"host", "gateway"}
        assert wedsync.request("GET", "/readyz")[0] == 200
    finally:
        wedsync.stop()
    log = wedsync.log_path.read_text()
    assert "fsync_unverified" in log
    assert not (wedsync.data / "nats").exists()
    assert not (wedsync.data / "postgres").exists()


async def test_missing_jetstream_is_one_line(plain_nats: Callable[[str], str], empty_database_url: str, tmp_path: Path) -> None:
    """A NATS server without JetStream is refused with what is missing."""
    wedsync = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    done = wedsync.run("up", "--port", "0", NATS_URL=plain_nats(""), DATABASE_URL=empty_database_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "JetStream" in done.stderr.splitlines()[-1]


async def test_unreachable_servers_are_one_line(tmp_path: Path) -> None:
    """Addresses where nobody answers are named, without their passwords."""
    wedsync = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    address = f"127.0.0.1:{free_port()}"
    done = wedsync.run("up", "--port", "0", NATS_URL=f"nats://{address}", DATABASE_URL=f"postgresql://u:hidden@{address}/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hidden" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("wedsync: ")
