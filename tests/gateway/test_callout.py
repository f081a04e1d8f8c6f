"""Integrators come in through the auth callout and get exactly their own subjects (design D10)."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from config.settings import load_settings
from gateway.access.authentication import Authentication
from gateway.access.callout import Callout, decide
from gateway.access.tokens import TokenClaims, TokenUse, make_token, read_token
from store.auth_callout import Credentials
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

SECRET = "a secret of at least thirty-two bytes"
REVOKED: set[TokenClaims] = set()

pytestmark = pytest.mark.servers


def token_of(principal: str, *, wedding: str = "lakeside", use: TokenUse = "nats", now: float | None = None) -> str:
    return make_token(SECRET, principal, wedding, use=use, lifetime_seconds=60, now=time.time() if now is None else now)


@pytest.fixture
async def callout(nats_server: NatsServer) -> AsyncIterator[Callout]:
    """A gateway's auth callout on the real server."""
    callout = Callout(
        load_settings(
            nats_url=nats_server.url,
            nats_auth_password=nats_server.password_of("auth"),
            nats_issuer_seed=nats_server.keys.issuer_seed,
            jwt_secret=SECRET,
        ),
        Authentication(SECRET, REVOKED.__contains__),
    )
    await callout.start()
    yield callout
    await callout.stop()


async def connect(server: NatsServer, user: str, token: str, **options: Any) -> Client:
    client = Client()
    try:
        await client.connect(
            f"nats://{user}:{token}@127.0.0.1:{server.port}",
            allow_reconnect=False,
            inbox_prefix=f"_INBOX_{user}".encode(),
            **options,
        )
    except nats.errors.Error:
        await client.close()
        raise
    return client


async def test_d10_an_integrator_gets_exactly_its_own_subjects(callout: Callout, nats_server: NatsServer) -> None:
    """It publishes its ops and reads its feed and outcomes; everything else is a permissions violation."""
    violations: list[str] = []

    async def note(error: Exception) -> None:
        violations.append(str(error).lower())

    client = await connect(nats_server, "florist-bot", token_of("florist-bot"), error_cb=note)
    for allowed in ("wedding.lakeside.feed.florist-bot.>", "wedding.lakeside.outcome.florist-bot", "_INBOX_florist-bot.>"):
        await client.subscribe(allowed)
    await client.publish("wedding.lakeside.op.florist-bot", b"{}")
    await client.flush()
    assert violations == []
    refused_reading = (
        "wedding.lakeside.feed.other.>", "wedding.>", "fan.>", "log.>", "_INBOX_host.>", "_INBOX.>", "wedsync.dead.>", "$SRV.>"
    )  # fmt: skip
    refused_writing = (
        "wedding.lakeside.op.other", "wedding.other.op.florist-bot", "log.r0.1.w.lakeside.ada", "fan.r0.1.w.lakeside",
        "$JS.API.STREAM.LIST", "$JS.API.STREAM.DELETE.INTAKE", "presence.r0.lakeside", "actors.r0.1.w.lakeside.state",
    )  # fmt: skip
    for subject in refused_reading:
        await client.subscribe(subject)
    for subject in refused_writing:
        await client.publish(subject, b"{}")
    await client.flush()
    await eventually(lambda: len(violations) >= len(refused_reading) + len(refused_writing), "every violation")
    assert all("permissions violation" in violation for violation in violations)
    for subject in (*refused_reading, *refused_writing):
        assert any(f'"{subject.lower()}"' in violation for violation in violations), subject
    await client.close()
    assert callout.admitted == 1


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ("florist-bot", "nonsense"),
        ("florist-bot", token_of("somebody-else")),
        ("florist-bot", token_of("florist-bot", use="client")),
        ("florist-bot", token_of("florist-bot", now=time.time() - 120)),
        ("florist-bot", make_token("x" * 40, "florist-bot", "lakeside", use="nats", lifetime_seconds=60, now=time.time())),
    ],
)
async def test_d10_a_bad_token_is_an_authorization_violation(
    callout: Callout, nats_server: NatsServer, user: str, token: str
) -> None:
    """Wrong, expired, foreign or misused tokens do not connect."""
    errors: list[Exception] = []

    async def note(error: Exception) -> None:
        errors.append(error)

    with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
        await connect(nats_server, user, token, error_cb=note)
    assert callout.admitted == 0


@pytest.mark.parametrize("name", ["host", "gateway", "operator", "auth", "sys", "import", "everyone"])
def test_d10_an_integrator_cannot_share_an_inbox_with_a_role(name: str) -> None:
    """A token for a reserved id is refused, since its inbox prefix would be that of an internal user."""
    assert decide(Authentication(SECRET, REVOKED.__contains__), Credentials(name, token_of(name))) is None


async def test_d10_a_revoked_token_does_not_connect(callout: Callout, nats_server: NatsServer) -> None:
    """What was revoked at a gateway opens NATS no more."""
    token = token_of("florist")
    claims = read_token(SECRET, token, now=time.time(), use="nats")
    await (await connect(nats_server, "florist", token)).close()
    REVOKED.add(claims)
    try:
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
            await connect(nats_server, "florist", token)
    finally:
        REVOKED.clear()


async def test_d10_a_connection_ends_with_its_token(callout: Callout, nats_server: NatsServer) -> None:
    """The server disconnects an integrator when its token expires."""
    closed = asyncio.Event()

    async def note_closed() -> None:
        closed.set()

    async def ignore(_: Exception) -> None:
        """The expiry is reported here, too."""

    token = make_token(SECRET, "florist-bot", "lakeside", use="nats", lifetime_seconds=2, now=time.time())
    client = await connect(nats_server, "florist-bot", token, closed_cb=note_closed, error_cb=ignore)
    async with asyncio.timeout(10):
        await closed.wait()
    await client.close()
    assert callout.admitted == 1
