"""INV5 as a property: random ops, rights and sockets, and nobody is told a word, an id or a channel that they may not know."""

import aiohttp
import pytest

from bench.secrecy.crowd import Crowd, Place
from bench.secrecy.truth import SECRET
from tests.support.gateways import RunningGateway, running_stack, token_of
from tests.support.integrators import callout_settings
from tests.support.servers import NatsServer

pytestmark = pytest.mark.servers


def place_of(gateway: RunningGateway, server: NatsServer) -> Place:
    """The gateway of a test as the campaign wants it."""

    def integrator(principal: str, wedding: str) -> str:
        token = token_of(principal, wedding, use="nats")
        return f"nats://{principal}:{token}@127.0.0.1:{server.port}"

    return Place(gateway.url, server.gateway_url, token_of, integrator)


async def test_inv5_no_byte_of_an_unreadable_channel_reaches_anybody(
    jetstream: NatsServer, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """State, events, clocks, answers, presence, HTTP, NATS, metrics and the log keep to a matrix of the test's own."""
    async with (
        running_stack(jetstream, database_url, **callout_settings(jetstream)) as gateway,
        aiohttp.ClientSession() as session,
        Crowd.gathered(place_of(gateway, jetstream), "w1", 7, session) as crowd,
    ):
        await crowd.live(rounds=3, ops=60)
        assert crowd.offences() == []
        assert await crowd.settled() == []
        async with session.get(f"{gateway.url}/metrics") as answer:
            metrics = await answer.text()
    seen = {secret for each in crowd.evidence for secret in SECRET.findall(each.text)}
    assert len(seen) > 100
    printed = capsys.readouterr()
    assert not SECRET.findall(metrics + printed.out + printed.err)
