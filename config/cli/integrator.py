"""`wedsync integrator`: NATS credentials for a program that takes part in one wedding; the URL alone on standard output.

The program becomes a member with a role, which decides what its feed carries; its NATS permission never changes.
"""

import asyncio
import time
from typing import Annotated
from urllib.parse import urlsplit

import typer

from config.cli.options import DEFAULT_DATA, Data, operator_settings
from config.cli.token import Role, needs_adding
from config.settings import Settings

_DAY_SECONDS = 86_400
_HOW_TO = """\
Publish ops to        wedding.{wedding}.op.{identity}
Subscribe to events   wedding.{wedding}.feed.{identity}.>
Subscribe to outcomes wedding.{wedding}.outcome.{identity}
Inbox prefix          _INBOX_{identity}
The credentials are valid for {days} days."""


def command(
    wedding: Annotated[str, typer.Option(help="The wedding's id.")],
    identity: Annotated[str, typer.Option("--id", help="The integrator's id, its principal in the wedding.")],
    role: Annotated[Role | None, typer.Option(help="What it may read and write; needed the first time.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How long the credentials are valid.")] = 365,
    data: Data = DEFAULT_DATA,
) -> int:
    """Print a NATS URL with credentials for an integrator."""
    settings = operator_settings(data)
    typer.echo(asyncio.run(_credentials(settings, wedding, identity, role, days)))
    typer.echo(_HOW_TO.format(wedding=wedding, identity=identity, days=days), err=True)
    return 0


async def _credentials(settings: Settings, wedding: str, identity: str, role: Role | None, days: int) -> str:
    from config.cli.errors import WeddingMissing
    from config.cli.membership import check_id, desk
    from gateway.access.tokens import make_token

    check_id(wedding)
    check_id(identity)
    async with desk(settings) as operator:
        members = await operator.members(wedding)
        if members is None:
            raise WeddingMissing(wedding=wedding)
        if needs_adding(identity, wedding, members[identity].role if identity in members else None, role):
            await operator.add_member(wedding, identity, str(role))
        if identity not in await operator.integrators(wedding):
            await operator.mark_integrator(wedding, identity)
    secret = settings.jwt_secret.get_secret_value()
    token = make_token(secret, identity, wedding, use="nats", lifetime_seconds=days * _DAY_SECONDS, now=time.time())
    addresses = map(urlsplit, settings.nats_url.get_secret_value().split(","))
    return ",".join(f"{each.scheme}://{identity}:{token}@{each.hostname}:{each.port or 4222}" for each in addresses)
