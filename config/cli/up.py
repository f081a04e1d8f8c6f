"""`wedsync up`: the whole of WedSync on one machine, in the foreground, until Ctrl-C or SIGTERM.

Order of the start: NATS and PostgreSQL together, then streams and tables, then hosts and gateways together; the stop
goes the other way. Standard output carries exactly one line, `READY <http address> <nats address>`, once it serves.
"""

import asyncio
import contextlib
import os
from typing import Annotated, Any

import structlog
import typer

from config.cli.options import DEFAULT_DATA, Data
from config.logging import configure_logging
from config.settings import Settings, load_settings
from config.supervision.data_folder import Cluster, DataFolder, Keys
from config.supervision.embedded_nats import nats_address
from config.supervision.errors import PortBusy
from config.supervision.nats_configuration import CLUSTER_SERVERS
from config.supervision.ports import LOOPBACK, free_port, why_not_free
from config.supervision.roles import (
    gateway_child,
    host_child,
    role_environment,
    settings_from,
    uses_own_nats,
)
from config.supervision.servers import reserve_server_ports, server_children
from config.supervision.supervisor import Supervisor, end_left_over, watch_signals

log = structlog.get_logger(__name__)


def command(
    port: Annotated[int, typer.Option(min=0, max=65535, envvar="WEDSYNC_PORT", help="HTTP and WebSocket port; 0: any.")] = 8080,
    data: Data = DEFAULT_DATA,
    gateways: Annotated[int, typer.Option(min=1, max=64, help="Gateway processes; they share the port.")] = 1,
    hosts: Annotated[int, typer.Option(min=1, max=64, help="Host processes; they share the weddings.")] = 1,
    cluster: Annotated[
        int | None, typer.Option(help="NATS servers, 1 or 3: fixed at the first start. [default: what the folder has, or 1]")
    ] = None,
) -> int:
    """Start everything on this machine and serve until Ctrl-C."""
    if cluster not in {None, 1, CLUSTER_SERVERS}:
        raise typer.BadParameter(f"{cluster} is neither 1 nor {CLUSTER_SERVERS}.", param_hint="--cluster")
    settings = load_settings(data_dir=data, port=port)
    configure_logging(settings, role="up", id="up")
    return asyncio.run(_serve(settings, gateways, hosts, cluster))


async def _serve(settings: Settings, gateways: int, hosts: int, servers: int | None) -> int:
    folder = DataFolder(settings.data_dir)
    with folder.locked():
        if servers is not None:
            folder.settle_cluster(Cluster(servers, servers))
        end_left_over(folder)
        http_port = _public_port(settings)
        keys = folder.ensure_keys()
        ports = reserve_server_ports(folder)
        addresses = {"httpUrl": f"http://{_public_host(settings)}:{http_port}", "natsUrl": _nats_address(folder, ports)}
        supervisor = Supervisor(folder, addresses)
        stop = asyncio.Event()
        watch_signals(stop, supervisor)
        starting = asyncio.create_task(_start(supervisor, folder, keys, ports, http_port, gateways, hosts))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                typer.echo(f"READY {addresses['httpUrl']} {addresses['natsUrl']}")
                ends: list[asyncio.Future[Any]] = [stopping, supervisor.given_up]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if supervisor.given_up.done():
                    supervisor.given_up.result()
        finally:
            log.info("stopping")
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await starting
            await supervisor.stop()
    return 0


async def _start(
    supervisor: Supervisor, folder: DataFolder, keys: Keys, ports: dict[str, int], http_port: int, gateways: int, hosts: int
) -> None:
    from config.supervision.provision import provision_servers

    if not uses_own_nats():
        log.warning("fsync_unverified", reason="whether the server of NATS_URL syncs before it acknowledges is not known")
    await supervisor.start(server_children(folder, keys, ports))
    host_environment = role_environment(folder, keys, ports, "host")
    await provision_servers(settings_from(host_environment))
    gateway_environment = role_environment(folder, keys, ports, "gateway")
    # Hosts stand first in the group, so that they are stopped last. The port is shared even by one gateway: another may be
    # started beside it, or take its place.
    await supervisor.start(
        [host_child(host_environment, number) for number in range(1, hosts + 1)]
        + [gateway_child(gateway_environment, number, http_port) for number in range(1, gateways + 1)]
    )


def _public_port(settings: Settings) -> int:
    port = settings.port or free_port(settings.listen_host)
    if reason := why_not_free(port, settings.listen_host):
        raise PortBusy(port=port, host=settings.listen_host, reason=reason)
    return port


def _public_host(settings: Settings) -> str:
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(settings.listen_host, settings.listen_host)
    return f"[{host}]" if ":" in host else host


def _nats_address(folder: DataFolder, ports: dict[str, int]) -> str:
    if uses_own_nats():
        return nats_address(ports, folder.cluster().servers)
    return ",".join(map(_without_credentials, os.environ["NATS_URL"].split(",")))


def _without_credentials(address: str) -> str:
    scheme, _, rest = address.rpartition("://")
    return f"{scheme or 'nats'}://{rest.rpartition('@')[2]}"
