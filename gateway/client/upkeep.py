"""What a connection needs besides frames of the wedding: a new token before the old one ends, and leaving when asked to.

Runs as one task beside each connection of `Client`; the session hands it the server's frames of this kind.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from actors.contract.client_frames import TokenRefresh
from actors.contract.server_frames import Goaway, TokenExpiring
from gateway.client.connection import Connection
from gateway.client.errors import ConnectionClosed

Advice = TokenExpiring | Goaway
Token = str | Callable[[], Awaitable[str]]
RESTART_CLOSE_CODE = 1012
#: Between two answers to warnings of the same end: a function that gives one token again and again would be asked without end.
AGAIN_SECONDS: Final = 5.0


async def fresh_token(token: Token) -> str:
    """Fetch a token; raises ConnectionClosed when its function fails."""
    if isinstance(token, str):
        return token
    try:
        return await token()
    except Exception as error:
        raise ConnectionClosed(1006, f"No token could be fetched: {error!r}.") from error


async def keep_up(advice: asyncio.Queue[Advice], connection: Connection, token: Token) -> None:
    """Follow the server's advice until it is time to leave; raises ConnectionClosed then."""
    warnings: asyncio.Queue[TokenExpiring] = asyncio.Queue()
    # A task of its own: a function that hangs must keep nobody from leaving.
    renewing = asyncio.create_task(_renew(warnings, connection, token))
    try:
        while True:
            match await advice.get():
                case TokenExpiring() as warning if not isinstance(token, str):
                    warnings.put_nowait(warning)
                case Goaway() as goaway:
                    await asyncio.sleep(_moment_to_leave(goaway))
                    raise ConnectionClosed(RESTART_CLOSE_CODE)
                case _:
                    pass
    finally:
        renewing.cancel()


async def _renew(warnings: asyncio.Queue[TokenExpiring], connection: Connection, token: Token) -> None:
    """Answer each warning with a new token; the old one holds until its end, so a failure costs no connection."""
    answered: TokenExpiring | None = None
    while True:
        warning = await warnings.get()
        if warning == answered:
            # The last token was no newer, or could not be fetched.
            await asyncio.sleep(AGAIN_SECONDS)
        answered = warning
        try:
            await connection.send(TokenRefresh(await fresh_token(token)))
        except ConnectionClosed:
            warnings.put_nowait(warning)


def _moment_to_leave(goaway: Goaway) -> float:
    """The moment that the gateway chose for us; without one we choose, so that the next gateway is not stormed."""
    if goaway.reconnect_after_ms is not None:
        return goaway.reconnect_after_ms / 1000
    return random.uniform(0, goaway.reconnect_within_ms / 1000)  # noqa: S311  # spreads load, guards nothing
