"""The environment of each role: where NATS and PostgreSQL are, as whom it connects, which secrets it needs.

`up` gives it to its children; the commands of the command line, which run in a shell of their own, complete their
environment with it. A role gets the secrets it uses and no others. `NATS_URL` and `DATABASE_URL`, when set, win over
the embedded servers.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace

from config.settings import PREFIX, Settings, load_settings
from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder, Keys
from config.supervision.embedded_nats import nats_address
from config.supervision.embedded_postgres import postgres_url
from config.supervision.errors import ServersElsewhere

_GATEWAY_NAME = "WEDSYNC_GATEWAY_ID"
_READY_WITHIN_SECONDS = 60.0
_STOP_WITHIN_SECONDS = 20.0


def uses_own_nats() -> bool:
    """Whether the embedded nats-server is to be used."""
    return not os.environ.get("NATS_URL")


def uses_own_postgres() -> bool:
    """Whether the embedded PostgreSQL is to be used."""
    return not os.environ.get("DATABASE_URL")


def role_environment(folder: DataFolder, keys: Keys, ports: Mapping[str, int], user: str) -> dict[str, str]:
    """What a process that acts as this NATS user (host, gateway, operator) needs beside the caller's environment.

    Raises ServersElsewhere when the folder knows no server of ours and the environment names none.
    """
    for variable, port, is_ours in (("NATS_URL", "nats", uses_own_nats()), ("DATABASE_URL", "postgres", uses_own_postgres())):
        if is_ours and not any(each.startswith(port) for each in ports):
            raise ServersElsewhere(folder=folder.path, variable=variable)
    secret = os.environ.get("WEDSYNC_JWT_SECRET") or keys.jwt_secret
    environment = {"WEDSYNC_DATA_DIR": str(folder.path), "WEDSYNC_JWT_SECRET": secret}
    if uses_own_nats():
        cluster = folder.cluster()
        environment["NATS_URL"] = nats_address(ports, cluster.servers)
        if cluster.servers > 1:
            environment["WEDSYNC_LOG_REPLICAS"] = str(cluster.servers)
            environment["WEDSYNC_LOG_STREAMS"] = os.environ.get("WEDSYNC_LOG_STREAMS") or str(cluster.log_streams)
        environment["WEDSYNC_NATS_USER"] = user
        environment["WEDSYNC_NATS_PASSWORD"] = keys.nats_passwords[user]
        if user == "gateway":
            environment["WEDSYNC_NATS_AUTH_PASSWORD"] = keys.nats_passwords["auth"]
            environment["WEDSYNC_NATS_ISSUER_SEED"] = keys.issuer_seed
    if uses_own_postgres():
        environment["DATABASE_URL"] = postgres_url(keys, ports["postgres"])
    return environment


def role_settings(folder: DataFolder, user: str, **overrides: object) -> Settings:
    """The settings of a command that acts as this NATS user; what the environment says wins over the folder."""
    if uses_own_nats() or uses_own_postgres() or folder.keys_path.exists():
        environment = role_environment(folder, folder.keys(), folder.ports(), user)
        from_folder = {_field(name): value for name, value in environment.items() if not os.environ.get(name)}
        overrides = {**from_folder, **overrides}
    return load_settings(**overrides)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings that a process with this environment, beside ours, would read."""
    return load_settings(**{_field(name): value for name, value in environment.items()})


def _field(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def host_child(environment: Mapping[str, str], number: int) -> ChildSpec:
    """The host process `host-<number>`."""
    identity = f"host-{number}"
    return _role_child("host", identity, {**environment, "WEDSYNC_HOST_ID": identity}, {})


def gateway_child(environment: Mapping[str, str], number: int, port: int) -> ChildSpec:
    """The gateway process `gateway-<number>`; all of them share the port."""
    identity = f"gateway-{number}"
    own = {_GATEWAY_NAME: identity, "WEDSYNC_PORT": str(port), "WEDSYNC_SHARE_PORT": "true"}
    return replace(_role_child("gateway", identity, {**environment, **own}, {"http": port}), name_variable=_GATEWAY_NAME)


def _role_child(role: str, identity: str, environment: Mapping[str, str], ports: Mapping[str, int]) -> ChildSpec:
    return ChildSpec(
        role=role,
        identity=identity,
        # -P: a folder named config or store in the working directory must not be taken for ours.
        command=(sys.executable, "-P", "-m", "config.cli.role", role),
        environment={**os.environ, **environment},
        ports=ports,
        ready_within_seconds=_READY_WITHIN_SECONDS,
        stop_within_seconds=_STOP_WITHIN_SECONDS,
    )
