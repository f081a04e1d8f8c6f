"""Who may connect to NATS as an integrator, and what for: the policy of the auth callout (design D10).

The user name is the integrator's id, the password its token (use `nats`). The grant is the same whatever its role: its own op
subject, its feed, its outcomes and its own inboxes; what arrives on them is decided by the wedding's state, so rights may change
while it is connected. `Callout` runs the answering beside the gateway; the wire of it is in store.auth_callout.
"""

from typing import Final

import structlog

from actors.contract.ids import RESERVED_IDS
from actors.contract.subjects import intake_subject, outcome_subject
from config.settings import Settings
from gateway.access.authentication import Authentication
from gateway.access.tokens import TokenClaims
from gateway.errors import TokenError
from store.auth_callout import AuthCallout, Credentials, Grant
from store.bus import Bus

#: Ids that would share an inbox prefix with an internal user, besides those that no person may have.
_INTERNAL_USERS: Final = frozenset({"host", "gateway", "operator", "auth", "sys"})
_USER: Final = "auth"

_log = structlog.get_logger()


def grant_of(claims: TokenClaims) -> Grant:
    """What an integrator may do on NATS."""
    principal, wedding = claims.principal, claims.wedding
    inboxes = f"_INBOX_{principal}.>"
    return Grant(
        name=principal,
        publish=(intake_subject(wedding, principal),),
        subscribe=(f"wedding.{wedding}.feed.{principal}.>", outcome_subject(wedding, principal), inboxes),
        expires_at=claims.expires_at,
    )


def decide(authentication: Authentication, credentials: Credentials) -> Grant | None:
    """Admit the bearer of a valid token under its own name, and nobody else."""
    try:
        claims = authentication.claims(credentials.token, use="nats")
    except TokenError:
        return None
    # A client that gives the bare token (auth_token) names no user.
    if credentials.user not in ("", claims.principal, credentials.token):
        return None
    if claims.principal in _INTERNAL_USERS | RESERVED_IDS:
        return None
    return grant_of(claims)


class Callout:
    """The auth callout of one gateway; idle when the settings name no issuer."""

    def __init__(self, settings: Settings, authentication: Authentication) -> None:
        self._settings = settings
        self._authentication = authentication
        self._bus: Bus | None = None
        self._answers: AuthCallout | None = None
        self.admitted = 0
        self.refused = 0

    async def start(self) -> None:
        """Connect as the internal user `auth` and begin to answer."""
        settings = self._settings
        password, seed = settings.nats_auth_password.get_secret_value(), settings.nats_issuer_seed.get_secret_value()
        if not password or not seed:
            _log.info("auth_callout_off", remedy="set WEDSYNC_NATS_AUTH_PASSWORD and WEDSYNC_NATS_ISSUER_SEED")
            return
        url = settings.nats_url.get_secret_value()
        name = f"wedsync-auth-{settings.gateway_id}"
        self._bus = await Bus.connect(url, user=_USER, password=password, name=name, inbox_prefix=f"_INBOX_{_USER}")
        self._answers = AuthCallout(self._bus, seed, self._decide)
        await self._answers.start()

    async def stop(self) -> None:
        if self._answers is not None:
            await self._answers.stop()
        if self._bus is not None:
            await self._bus.close()

    def _decide(self, credentials: Credentials) -> Grant | None:
        grant = decide(self._authentication, credentials)
        if grant is None:
            self.refused += 1
            _log.warning("integrator_refused", user=credentials.user[:64])
        else:
            self.admitted += 1
        return grant
