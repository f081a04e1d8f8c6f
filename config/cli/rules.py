"""`wedsync rules [show]` and `wedsync rules activate N`: which version of the rules decides, and from where on.

One line per partition on standard output. Acts as a host, whose right it is to write markers into the log (design D1).
"""

import asyncio
import enum
from typing import Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.settings import Settings
from config.supervision.data_folder import DataFolder
from config.supervision.roles import role_settings


class Action(enum.StrEnum):
    """What to do with the rules."""

    SHOW = "show"
    """Say what is in force."""
    ACTIVATE = "activate"
    """Let a version take effect from here on."""


def command(
    action: Annotated[Action, typer.Argument(help="show, or activate a version.")] = Action.SHOW,
    version: Annotated[int | None, typer.Argument(min=1, help="The version to activate.")] = None,
    data: Data = DEFAULT_DATA,
) -> int:
    """Show which version of the rules decides where, or let another one take effect."""
    if (action is Action.ACTIVATE) != (version is not None):
        raise typer.BadParameter("a version is named to activate it, and then only: `wedsync rules activate N`")
    typer.echo(asyncio.run(_carry_out(role_settings(DataFolder(data), "host", data_dir=data), version)))
    return 0


async def _carry_out(settings: Settings, version: int | None) -> str:
    from actors.domain.rules import RULES
    from config.cli import rules_in_force
    from config.supervision.nats_permissions import inbox_prefix
    from store import streams
    from store.bus import Bus
    from store.postgres import Database

    address, password = settings.nats_url.get_secret_value(), settings.nats_password.get_secret_value()
    database = await Database.open(settings.database_url.get_secret_value(), min_size=1, max_size=1)
    try:
        bus = await Bus.connect(
            address, user=settings.nats_user, password=password, name="wedsync-rules", inbox_prefix=inbox_prefix("host")
        )
        try:
            identity = await streams.identify(bus, database, settings)
            if version is not None:
                present = await rules_in_force.activate(bus, database, identity, settings, version)
                heading = []
            else:
                present = await rules_in_force.in_force(bus, database, identity, settings)
                hosts = await rules_in_force.known_by_hosts(bus, settings)
                heading = [f"known here: {', '.join(map(str, sorted(RULES)))}"]
                heading += [f"{host} knows up to {known}" for host, known in sorted(hosts.items())]
        finally:
            await bus.close()
    finally:
        await database.close()
    lines = [f"partition {each.partition}: version {each.version} from position {each.position}" for each in present]
    return "\n".join([*heading, *lines])
