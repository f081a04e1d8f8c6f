"""Presence as clients meet it at a real gateway: roles, crowds, pages, refusals (design D9, INV5)."""

from typing import Any

import pytest

from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, Talker, gateway_settings, running_gateway
from tests.support.http_api import HttpApi, is_problem
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


async def next_presence(talker: Talker, user: str) -> dict[str, Any]:
    """The next frame that names a person."""
    while True:
        frame = await talker.expect("presence_update")
        if user in frame["presence"]:
            return frame


async def test_d9_role_and_activity_are_the_servers(stack: RunningGateway, found: FoundWedding) -> None:
    """What a client says of them is passed over; another role is told at once; bad values are refused and change nothing."""
    await found("w1")
    ana, gia = await stack.join("w1", "ana"), await stack.join("w1", "gia")
    await next_presence(ana, "gia")
    forged = {"role": "planner", "lastActivity": "2099-01-01T00:00:00.000Z", "devices": 9, "mood": "happy"}
    await gia.send({"type": "presence_update", "presence": forged})
    shown = (await next_presence(ana, "gia"))["presence"]["gia"]
    assert (shown["role"], shown["devices"], shown["mood"]) == ("guest", 1, "happy")
    assert shown["lastActivity"] < "2099"
    await gia.send({"type": "presence_update", "presence": {"status": "sleeping"}})
    await gia.expect("error", code="bad_value")
    await ana.submit(ana.next_op("permission_update", "update", "people", "gia", role="friend"))
    while (await next_presence(ana, "gia"))["presence"]["gia"]["role"] != "friend":
        pass


async def test_d9_a_crowd_is_told_in_numbers_by_a_real_gateway(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """From the threshold on come counts, and names of who matters; below it everybody is named again. HTTP pages through all."""
    await found("w1")
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", presence_summary_members=4)
    async with running_gateway(settings) as other:
        talkers = {user: await other.join("w1", user) for user in ("ana", "ben", "tom", "gia")}
        gia = talkers["gia"]
        frame = await gia.expect("presence_update")
        while "summary" not in frame:
            frame = await gia.expect("presence_update")
        assert frame["whole"] is True
        assert frame["presence"].keys() == {"ana", "ben", "gia"}
        assert frame["summary"]["people"] == 4
        assert frame["summary"]["roles"] == {"couple": 1, "planner": 1, "vendor": 1, "guest": 1}
        api = HttpApi(other, "w1", "gia")
        first = (await api.get("presence", "?limit=3")).body
        assert (list(first["presence"]), first["activeUsers"]) == (["ana", "ben", "gia"], ["ana", "ben", "gia"])
        assert (first["more"], first["summary"]["people"]) == (True, 4)
        rest = (await api.get("presence", f"?limit=3&cursor={first['cursor']}")).body
        assert (list(rest["presence"]), rest["more"], "cursor" in rest) == (["tom"], False, False)
        assert is_problem(await api.get("presence", "?limit=none"), 422, "bad_value")
        await talkers["tom"].close()
        await eventually(lambda: len(other.gateway.hub.rooms["w1"].audience) == 3, "tom has left")
        while "summary" in frame:
            frame = await gia.expect("presence_update")
        assert (frame["whole"], frame["presence"].keys()) == (True, {"ana", "ben", "gia"})
