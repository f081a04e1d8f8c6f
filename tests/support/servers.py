"""Real NATS and PostgreSQL for the tests: containers when a Docker engine answers, else the embedded servers.

Fixtures (registered in tests/conftest.py): `nats_server` and `postgres_server` once per run, `database_url` a migrated
database of its own per test, `empty_database_url` one without tables, `jetstream` a JetStream without streams per
test. `EmbeddedServer` starts one more server, which a test may kill and start again.
"""

from __future__ import annotations

import resource
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import nats
import nats.js
import psutil
import pytest
from nats.aio.client import Client

from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder, Keys
from config.supervision.embedded_nats import nats_child, nats_url
from config.supervision.embedded_postgres import postgres_child, postgres_url
from config.supervision.nats_permissions import inbox_prefix
from tests.support import containers
from tests.support.clean_databases import CleanDatabases
from tests.support.waiting import eventually_blocking


class EmbeddedServer:
    """One server process of a test; its files stay when it is killed, so that it can start again."""

    def __init__(self, make_spec: Callable[[], ChildSpec], log_path: Path) -> None:
        self._make_spec = make_spec
        self._log_path = log_path
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it serves."""
        spec = self._make_spec()
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                spec.command,
                env=dict(spec.environment),
                stdout=log,
                stderr=log,
                preexec_fn=spec.before_exec(),  # noqa: PLW1509  # only makes system calls
            )
        self._spec = spec
        eventually_blocking(self._serves, f"{spec.identity} serves", within_seconds=spec.ready_within_seconds)

    def let_write_nothing(self) -> None:
        """Let every write to its files fail from now on, as on a disk that is full."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def _serves(self) -> bool:
        assert self.process is not None
        assert self._spec.is_ready is not None
        assert self.process.poll() is None, f"{self._spec.identity} did not start:\n{self._log_path.read_text()}"
        return self._spec.is_ready(self.process.pid)

    def kill(self) -> None:
        """SIGKILL: what a crash does. Returns when its own children have noticed, which answer for a moment more."""
        if self.process is not None:
            children = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
            self.process.kill()
            self.process.wait()
            psutil.wait_procs(children)

    def stop(self) -> None:
        """End it the orderly way."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self._spec.stop_signal)
            self.process.wait(self._spec.stop_within_seconds)


class NatsServer:
    """A running nats-server with WedSync's accounts and users."""

    def __init__(self, keys: Keys, port: int, monitor_port: int, server: EmbeddedServer | None = None) -> None:
        self.keys = keys
        self.port = port
        self.monitor_port = monitor_port
        self._server = server

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def host_url(self) -> str:
        return self.url_of("host")

    @property
    def gateway_url(self) -> str:
        return self.url_of("gateway")

    @property
    def operator_url(self) -> str:
        return self.url_of("operator")

    @property
    def server(self) -> EmbeddedServer:
        """The process, to kill and start again; a container has none."""
        if self._server is None:
            pytest.skip("needs an embedded server: this one runs in a container")
        return self._server

    def url_of(self, user: str) -> str:
        """With the credentials of host, gateway, operator, auth or sys."""
        return nats_url(self.keys, self.port, user)

    def password_of(self, user: str) -> str:
        return self.keys.nats_passwords[user]

    async def connect(self, user: str, **options: Any) -> Client:
        """A plain client of one internal user, with that role's inbox prefix; the caller closes it."""
        prefix = inbox_prefix(user).encode()
        return await nats.connect(self.url_of(user), inbox_prefix=prefix, **options)

    async def delete_all_streams(self) -> None:
        client = await self.connect("host")
        try:
            manager = client.jetstream()
            for stream in await manager.streams_info():
                assert stream.config.name is not None
                await manager.delete_stream(stream.config.name)
        finally:
            await client.close()


class PostgresServer:
    """A running PostgreSQL; `url_of` names any database of it."""

    def __init__(self, url_of: Callable[[str], str], server: EmbeddedServer | None = None) -> None:
        self.url_of = url_of
        self._server = server
        self.clean_databases = CleanDatabases(self)

    @property
    def server(self) -> EmbeddedServer:
        """The process, to kill and start again; a container has none."""
        if self._server is None:
            pytest.skip("needs an embedded server: this one runs in a container")
        return self._server

    async def create_database(self) -> str:
        """The name of a new database."""
        name = f"test_{secrets.token_hex(6)}"
        await self._execute(f'CREATE DATABASE "{name}"')
        return name

    async def drop_database(self, name: str) -> None:
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url_of("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def start_embedded_nats(folder: DataFolder) -> NatsServer:
    """Start nats-server in the folder; stop it through `.server`."""
    keys = folder.ensure_keys()
    ports = folder.reserve_ports("nats", "nats_monitor")
    server = EmbeddedServer(lambda: nats_child(folder, keys, ports), folder.path / "nats.log")
    server.start()
    return NatsServer(keys, ports["nats"], ports["nats_monitor"], server)


def start_embedded_postgres(folder: DataFolder) -> PostgresServer:
    """Start PostgreSQL in the folder; stop it through `.server`."""
    keys = folder.ensure_keys()
    port = folder.reserve_ports("postgres")["postgres"]
    server = EmbeddedServer(lambda: postgres_child(folder, keys, port), folder.path / "postgres.log")
    server.start()
    return PostgresServer(lambda database: postgres_url(keys, port, database), server)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """nats-server with the shipped configuration, once per run."""
    folder = DataFolder(tmp_path_factory.mktemp("nats") / ".wedsync")
    with ExitStack() as stack:
        if containers.docker_answers():
            keys = folder.ensure_keys()
            yield NatsServer(keys, *stack.enter_context(containers.nats_container(folder, keys)))
        else:
            server = start_embedded_nats(folder)
            stack.callback(server.server.stop)
            yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """PostgreSQL with the shipped settings, once per run."""
    folder = DataFolder(tmp_path_factory.mktemp("postgres") / ".wedsync")
    with ExitStack() as stack:
        if containers.docker_answers():
            yield PostgresServer(stack.enter_context(containers.postgres_container()))
        else:
            server = start_embedded_postgres(folder)
            stack.callback(server.server.stop)
            yield server


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a migrated database that only this test uses."""
    async with postgres_server.clean_databases.lend() as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database without tables that only this test uses."""
    name = await postgres_server.create_database()
    yield postgres_server.url_of(name)
    await postgres_server.drop_database(name)


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[NatsServer]:
    """The NATS server of this run, without any stream before and after the test."""
    await nats_server.delete_all_streams()
    yield nats_server
    await nats_server.delete_all_streams()
