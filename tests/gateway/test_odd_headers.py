"""Header blocks that no client library writes, and that the server stores: nobody but their author meets them (design D10)."""

import json
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.support.gateways import RunningGateway, running_stack
from tests.support.http_api import HttpApi
from tests.support.integrators import Integrator, callout_settings, integrator
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers

#: nats-server cuts the last two bytes off a block, wherever they are, and writes its own headers behind.
ODD_BLOCKS = [
    b"NATS/1.0 1\xff\r\n\r\n",
    b"NATS/1.0 1\xff\xff\xff",
    b"NATS/1.1 1\xff\r\n\r\n",
    b"NATS/1.0 123 \xff\xff\xff",
    b"XXXXXXXX \xff\xff\xff\r\n\r\n",
    b"NATS/1.0",
    b"X\r\n\r\n",
    b"N",
    b"NATS/1.0\r\n\xff\xfe: x\r\n\r\n",
    b"NATS/1.0\r\nNats-Pin-Id: forged\r\nXab",
]


@pytest.fixture
async def gateway(jetstream: NatsServer, database_url: str) -> AsyncIterator[RunningGateway]:
    """A host and a gateway that admits integrators."""
    async with running_stack(jetstream, database_url, **callout_settings(jetstream)) as running:
        yield running


async def publish_raw(bot: Integrator, block: bytes, task: str) -> None:
    """An op on a task under a header block as it is."""
    op = {"type": "task_completion", "action": "insert", "target": {"collection": "tasks", "id": task}, "data": {"title": "odd"}}
    data = json.dumps(op).encode()
    size = len(block) + len(data)
    await bot.client._send_command(b"HPUB %s %d %d\r\n%s%s\r\n" % (bot.subject.encode(), len(block), size, block, data))
    await bot.client.flush()


async def test_d10_an_op_under_an_odd_header_block_is_judged_like_any_other(
    gateway: RunningGateway, jetstream: NatsServer
) -> None:
    """It is applied under the id of the intake, the gateway keeps its connection, and what others publish behind it is taken."""
    ana = HttpApi(gateway, "w1", "ana")
    assert (await ana.found_wedding()).status == 201
    for name in ("bot", "crm"):
        await ana.submit("permission_update", "insert", "people", name, {"name": name, "role": "vendor"})
        assert (await ana.submit("permission_update", "insert", "permissions", name, {"integrator": True})).status == 200
    async with integrator(jetstream, "w1", "bot") as bot, integrator(jetstream, "w1", "crm") as crm:
        with capture_logs() as logs:
            for number, block in enumerate(ODD_BLOCKS):
                await publish_raw(bot, block, f"odd-{number}")
                await crm.task("insert", f"plain-{number}", {"title": "plain"})
                expected = 2 * number + 2
                await eventually(lambda: len(crm.events) == expected, f"both ops after {block!r}")  # noqa: B023  # awaited at once
        assert {event["data"]["changes"][0]["id"] for event in bot.events} >= {f"odd-{each}" for each in range(len(ODD_BLOCKS))}
        assert all(event["id"].startswith("intake-") for event in bot.events)
        assert bot.outcomes == []
    assert "bus_disconnected" not in {each["event"] for each in logs}
