"""INV5 as a property: random ops, rights and sockets, and nobody is told a word, an id or a channel that they may not know."""

import aiohttp
import pytest

from bench.secrecy.crowd import Crowd, Place
from bench.secrecy.truth import SECRET
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, running_stack, token_of
from tests.support.http_api import HttpApi, is_problem
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
        await crowd.live(rounds=3, ops=75)
        assert crowd.offences() == []
        assert await crowd.settled() == []
        async with session.get(f"{gateway.url}/metrics") as answer:
            metrics = await answer.text()
    seen = {secret for each in crowd.evidence for secret in SECRET.findall(each.text)}
    assert len(seen) > 100
    printed = capsys.readouterr()
    assert not SECRET.findall(metrics + printed.out + printed.err)


async def test_inv5_what_is_unreadable_is_refused_in_the_words_of_what_is_not_there(
    stack: RunningGateway, found: FoundWedding
) -> None:
    """Update, delete, move and move behind: the same answer for a hidden id and for none; `exists` says no more than that."""
    await found("w1")
    ana, gia = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "gia")
    for collection, kind, name in (("tasks", "task_completion", "title"), ("messages", "message_sent", "text")):
        for identifier in ("hidden", "shown"):
            audience = "core" if identifier == "hidden" else "everyone"
            await ana.submit(kind, "insert", collection, identifier, {name: "x", "audience": audience})
        for action, data in (("update", {name: "y"}), ("delete", None), ("move", {"after": None})):
            answers = [await gia.submit(kind, action, collection, each, data) for each in ("hidden", "nothing")]
            assert [(each.status, each.body["detail"], each.body["remedy"]) for each in answers[:1]] == [
                (each.status, each.body["detail"], each.body["remedy"]) for each in answers[1:]
            ]
            assert is_problem(answers[0], 404, "not_found")
    await gia.submit("message_sent", "insert", "messages", "own", {"text": "x", "audience": "everyone"})
    behind = [await gia.submit("message_sent", "move", "messages", "own", {"after": each}) for each in ("hidden", "nothing")]
    assert {(each.status, each.body["detail"].replace("hidden", "nothing")) for each in behind} == {
        (404, behind[1].body["detail"])
    }
    taken = [
        await gia.submit("message_sent", "insert", "messages", each, {"text": "x", "audience": "everyone"})
        for each in ("hidden", "shown")
    ]
    assert [(each.status, each.body["detail"], each.body["remedy"]) for each in taken[:1]] == [
        (each.status, each.body["detail"], each.body["remedy"]) for each in taken[1:]
    ]
