"""Tokens that hold no longer, as one gateway knows them: checked at every door, and open sockets are closed at once.

A revocation is stored first, then told to all gateways on core NATS; a gateway that missed it reads it from PostgreSQL within
`REREAD_SECONDS`. Written by the session routes, asked by gateway.access.authentication.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from actors.contract.subjects import revocations_subject
from config.settings import Settings
from gateway.access.tokens import TokenClaims
from gateway.errors import GatewayError
from store import revocations
from store.bus import Bus, BusSubscription, Message
from store.errors import StoreError
from store.postgres import Database
from store.revocations import Revocation

REREAD_SECONDS: Final = 5.0
#: Longer than any token lives that is worth having; a revocation of all tokens of a person is kept for so long.
LONGEST_TOKEN_SECONDS: Final = 400 * 24 * 3600.0

_decode = msgspec.json.Decoder(Revocation).decode
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()


def means(revocation: Revocation, claims: TokenClaims) -> bool:
    """Whether a revocation ends this token."""
    if (revocation.wedding, revocation.user) != (claims.wedding, claims.principal):
        return False
    return revocation.token == claims.id if revocation.token else claims.issued_at < revocation.issued_before


class Revocations:
    """See the module. `on_revoked` is called with each one that is new here."""

    def __init__(self, bus: Bus, database: Database, settings: Settings) -> None:
        self._bus = bus
        self._database = database
        self._subject = revocations_subject(settings.region)
        self._known: defaultdict[tuple[str, str], set[Revocation]] = defaultdict(set)
        self.on_revoked: list[Callable[[Revocation], None]] = []
        self._subscription: BusSubscription | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and read what is stored; while PostgreSQL is away tokens are taken as they are."""
        self._subscription = await self._bus.subscribe(self._subject, self._on_message)
        await self._read()
        self._reading = asyncio.create_task(self._keep_reading())

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    def includes(self, claims: TokenClaims) -> bool:
        """Whether the token is revoked."""
        return any(means(each, claims) for each in self._known.get((claims.wedding, claims.principal), ()))

    async def revoke_token(self, wedding: str, user: str, token: str, by: str) -> None:
        """Revoke one token; raises GatewayError unavailable when it cannot be stored."""
        await self._revoke(Revocation(wedding, user, token, 0.0, time.time() + LONGEST_TOKEN_SECONDS, by))

    async def revoke_person(self, wedding: str, user: str, by: str) -> None:
        """Revoke every token of a person that was issued until now; raises as above."""
        now = time.time()
        await self._revoke(Revocation(wedding, user, "", now, now + LONGEST_TOKEN_SECONDS, by))

    async def _revoke(self, revocation: Revocation) -> None:
        try:
            await revocations.revoke(self._database, revocation)
        except StoreError as error:
            raise GatewayError("unavailable", "The revocation could not be stored.", "Try again in a moment.") from error
        self._take(revocation)
        try:
            await self._bus.publish(self._subject, _encode(revocation))
        except StoreError as error:
            # The others read it from the table.
            _log.warning("revocation_not_told", error=str(error))

    async def _on_message(self, message: Message) -> None:
        self._take(_decode(message.data))

    def _take(self, revocation: Revocation) -> None:
        known = self._known[revocation.wedding, revocation.user]
        if revocation in known:
            return
        known.add(revocation)
        for tell in self.on_revoked:
            tell(revocation)

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            await self._read()

    async def _read(self) -> None:
        try:
            stored = await revocations.read_all(self._database)
        except StoreError as error:
            _log.warning("revocations_not_read", error=str(error))
            return
        now = time.time()
        for key, known in list(self._known.items()):
            known -= {each for each in known if each.keep_until < now}
            if not known:
                del self._known[key]
        for revocation in stored:
            self._take(revocation)
