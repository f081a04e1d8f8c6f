"""`wedsync host`, `wedsync gateway`, `wedsync provision`: the parts of `up`, for deployments with servers of their own.

Settings come from the environment; what it leaves open (addresses, credentials) is taken from the data folder.
"""

import asyncio
from typing import Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.cli.role import run_role
from config.logging import configure_logging
from config.supervision.data_folder import DataFolder
from config.supervision.roles import role_settings


def host(
    data: Data = DEFAULT_DATA,
    identity: Annotated[str, typer.Option("--id", envvar="WEDSYNC_HOST_ID", help="Unique among the hosts.")] = "host-1",
) -> int:
    """Run one host: the process that owns weddings."""
    return run_role("host", role_settings(DataFolder(data), "host", data_dir=data, host_id=identity))


def gateway(
    data: Data = DEFAULT_DATA,
    identity: Annotated[str, typer.Option("--id", envvar="WEDSYNC_GATEWAY_ID", help="Unique among the gateways.")] = "gateway-1",
    port: Annotated[int, typer.Option(min=0, max=65535, envvar="WEDSYNC_PORT", help="HTTP and WebSocket port.")] = 8080,
    share_port: Annotated[
        bool, typer.Option("--share-port", envvar="WEDSYNC_SHARE_PORT", help="Listen beside the gateways that share this port.")
    ] = False,
) -> int:
    """Run one gateway: the process that clients connect to."""
    own = {"gateway_id": identity, "port": port, "share_port": share_port}
    return run_role("gateway", role_settings(DataFolder(data), "gateway", data_dir=data, **own))


def provision(data: Data = DEFAULT_DATA) -> int:
    """Bring the tables and streams of servers of your own up to date; `up` does this itself."""
    from config.supervision.provision import provision_servers

    settings = role_settings(DataFolder(data), "host", data_dir=data)
    configure_logging(settings, role="provision")
    asyncio.run(provision_servers(settings))
    return 0
