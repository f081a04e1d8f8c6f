"""The test servers as Docker containers (testcontainers), with the configuration that `wedsync up` writes.

Called only by `tests.support.servers`, and only when a Docker engine answers.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit

from config.supervision.data_folder import DataFolder, Keys
from config.supervision.embedded_nats import nats_environment
from config.supervision.nats_configuration import LISTEN, MONITOR, NAME, STORE, nats_configuration

_NATS_IMAGE = "nats:2.15-alpine"
_POSTGRES_IMAGE = "postgres:18-alpine"
_NATS_PORTS = {"nats": 4222, "nats_monitor": 8222}


@cache
def docker_answers() -> bool:
    """Whether a Docker engine can be reached from here (asked by hand: its client leaks a socket when none answers)."""
    address = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    family, target = (
        (socket.AF_UNIX, address.path) if address.scheme == "unix" else (socket.AF_INET, (address.hostname, address.port))
    )
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(target)
        except OSError:
            return False
    return True


@contextmanager
def nats_container(folder: DataFolder, keys: Keys) -> Iterator[tuple[int, int]]:
    """Start nats-server; gives the client port and the monitoring port on this machine."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    configuration = folder.path / "nats-server.conf"
    configuration.write_text(nats_configuration(cluster=False), encoding="utf-8")
    # Inside a container loopback is the container's own.
    own = {
        NAME: "wedsync",
        LISTEN: f"0.0.0.0:{_NATS_PORTS['nats']}",
        MONITOR: f"0.0.0.0:{_NATS_PORTS['nats_monitor']}",
        STORE: "/data",
    }
    container = (
        DockerContainer(_NATS_IMAGE, command="--config /etc/wedsync/nats-server.conf")
        .with_exposed_ports(*_NATS_PORTS.values())
        .with_volume_mapping(str(configuration), "/etc/wedsync/nats-server.conf", "ro")
        .with_envs(**nats_environment(keys, own))
        .waiting_for(HttpWaitStrategy(_NATS_PORTS["nats_monitor"], "/healthz"))
    )
    with container:
        yield container.get_exposed_port(_NATS_PORTS["nats"]), container.get_exposed_port(_NATS_PORTS["nats_monitor"])


@contextmanager
def postgres_container() -> Iterator[Callable[[str], str]]:
    """Start PostgreSQL; gives a function from the name of a database to its URL."""
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer(_POSTGRES_IMAGE, driver=None) as container:
        port = container.get_exposed_port(container.port)
        yield lambda database: f"postgresql://{container.username}:{container.password}@127.0.0.1:{port}/{database}"
