"""`wedsync token`: a token that says who somebody is, for one wedding; alone on standard output.

The role is the wedding's business: an unknown person is first added as a member with the given role.
"""

import asyncio
import time
from enum import StrEnum
from typing import Annotated

import typer

from config.cli.options import DEFAULT_DATA, Data, operator_settings
from config.settings import Settings


class Role(StrEnum):
    """What a member is in a wedding."""

    COUPLE = "couple"
    PLANNER = "planner"
    VENDOR = "vendor"
    FAMILY = "family"
    FRIEND = "friend"
    GUEST = "guest"


def command(
    wedding: Annotated[str, typer.Option(help="The wedding's id.")],
    user: Annotated[str, typer.Option(help="The person's id.")],
    role: Annotated[Role | None, typer.Option(help="Needed for a person who is not in the wedding yet.")] = None,
    data: Data = DEFAULT_DATA,
) -> int:
    """Print a token for one person and one wedding."""
    typer.echo(asyncio.run(_token(operator_settings(data), wedding, user, role)))
    return 0


async def _token(settings: Settings, wedding: str, user: str, role: Role | None) -> str:
    from config.cli.membership import check_id, desk
    from gateway.access.tokens import make_token

    check_id(wedding)
    check_id(user)
    async with desk(settings) as operator:
        members = await operator.members(wedding)
        if members is None:
            typer.echo(f"There is no wedding {wedding} yet: this token opens only POST /api/collaboration/weddings.", err=True)
        elif needs_adding(user, wedding, members[user].role if user in members else None, role):
            await operator.add_member(wedding, user, str(role))
    return make_token(
        settings.jwt_secret.get_secret_value(),
        user,
        wedding,
        use="client",
        lifetime_seconds=settings.token_lifetime_seconds,
        now=time.time(),
    )


def needs_adding(user: str, wedding: str, present: str | None, asked: Role | None) -> bool:
    """Whether the person must be added; raises RoleNeeded or RoleDiffers where the question and the wedding disagree."""
    from config.cli.errors import RoleDiffers, RoleNeeded

    if present is None:
        if asked is None:
            raise RoleNeeded(user=user, wedding=wedding)
        return True
    if asked is not None and asked != present:
        raise RoleDiffers(user=user, wedding=wedding, present=present, asked=asked)
    return False
