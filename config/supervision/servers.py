"""The embedded servers that one data folder needs, and a way to have them running for the time of one command.

`up` starts them for good; `wedsync backup` and `restore` need them also when `up` does not run. Servers named by
`NATS_URL` and `DATABASE_URL` are never started here.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from config.settings import Settings
from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder, Keys
from config.supervision.embedded_nats import nats_children, nats_port_names
from config.supervision.embedded_postgres import postgres_child
from config.supervision.errors import FolderInUse
from config.supervision.roles import role_settings, uses_own_nats, uses_own_postgres
from config.supervision.supervisor import Supervisor, end_left_over


def reserve_server_ports(folder: DataFolder) -> dict[str, int]:
    """The remembered ports of the embedded servers that are used."""
    own = nats_port_names(folder.cluster().servers) if uses_own_nats() else []
    return folder.reserve_ports(*own, *(["postgres"] if uses_own_postgres() else []))


def server_children(folder: DataFolder, keys: Keys, ports: dict[str, int]) -> list[ChildSpec]:
    """The servers to start; PostgreSQL stands first, so that it is stopped last."""
    servers = []
    if uses_own_postgres():
        servers.append(postgres_child(folder, keys, ports["postgres"]))
    if uses_own_nats():
        servers += nats_children(folder, keys, ports, folder.cluster().servers)
    return servers


@asynccontextmanager
async def running_servers(folder: DataFolder) -> AsyncIterator[Settings]:
    """The settings with which the host's rights can be used; starts the servers when no `up` runs in the folder."""
    with ExitStack() as lock:
        try:
            lock.enter_context(folder.locked())
        except FolderInUse:
            yield role_settings(folder, "host")
            return
        end_left_over(folder)
        supervisor = Supervisor(folder, {})
        try:
            await supervisor.start(server_children(folder, folder.keys(), reserve_server_ports(folder)))
            yield role_settings(folder, "host")
        finally:
            await supervisor.stop()
