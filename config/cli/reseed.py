"""`wedsync reseed`: replace a damaged or lost log by a new one that goes on above what is stored (design D12).

`up` must be stopped where it runs the servers. What is carried over and what was lost is printed; an interrupted one is finished
by running it again.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.logging import configure_logging
from config.settings import Settings, load_settings
from config.supervision.data_folder import DataFolder
from config.supervision.errors import StopFirst
from config.supervision.roles import uses_own_nats
from config.supervision.runtime_state import current_state

if TYPE_CHECKING:
    from store.reseed import Result


def command(
    force: Annotated[bool, typer.Option("--force", help="Also when the log is whole, or another database's.")] = False,
    data: Data = DEFAULT_DATA,
) -> int:
    """Begin a new log above what is stored."""
    from config.supervision.servers import running_servers

    folder = DataFolder(data)
    if uses_own_nats() and (pid := current_state(folder)["pid"]) is not None:
        raise StopFirst(folder=folder.path, pid=pid)
    configure_logging(load_settings(data_dir=data), role="reseed")

    async def run() -> "Result":
        async with running_servers(folder) as settings:
            return await _reseed(settings, force=force)

    from store.log_fence import span

    result = asyncio.run(run())
    for stream in result.streams:
        typer.echo(
            f"LOG_{stream.stream}: begins at {stream.first_position}, {stream.carried} ops carried over that were not stored yet"
        )
        for first, last in stream.lost:
            typer.echo(f"LOG_{stream.stream}: lost: {span(first, last)}; clients that still hold these ops send them again")
    typer.echo(f"the log is of generation {result.generation}: start with `wedsync up`")
    return 0


async def _reseed(settings: Settings, *, force: bool) -> "Result":
    from config.supervision.backup import host_bus
    from store.migrate import migrate
    from store.postgres import Database
    from store.reseed import reseed

    database = await Database.open(settings.database_url.get_secret_value(), min_size=1, max_size=3)
    try:
        await migrate(database)
        async with host_bus(settings) as bus:
            return await reseed(bus, database, settings, force=force)
    finally:
        await database.close()
