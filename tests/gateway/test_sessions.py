"""Open sessions are listed and ended; a revoked token opens no door any more, at any gateway."""

import time
from typing import Any

import pytest

from gateway.access import revocations
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway, token_of
from tests.support.http_api import BASE, HttpApi, is_problem
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


async def sessions_of(api: HttpApi, count: int) -> list[dict[str, Any]]:
    """The list, once it has so many entries."""

    async def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await api.get("sessions")).body["sessions"]
        return found if len(found) == count else []

    found: list[dict[str, Any]] = await eventually(listed, f"{count} sessions are listed")
    return found


async def test_everybody_sees_their_own_sessions_and_the_couple_all(stack: RunningGateway, found: FoundWedding) -> None:
    """A vendor's list has the vendor's sessions alone; somebody else's session is not found."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    everybody = await sessions_of(HttpApi(stack, "w1", "ana"), 2)
    assert {each["user"]: each["client"] for each in everybody} == {"ana": ana.client, "tom": tom.client}
    [own] = await sessions_of(HttpApi(stack, "w1", "tom"), 1)
    assert own["session"] == tom.welcome["session"]
    others = await HttpApi(stack, "w1", "tom").call("DELETE", f"{BASE}/sessions/w1/{ana.welcome['session']}")
    assert is_problem(others, 404, "not_found")
    assert is_problem(await HttpApi(stack, "w1", "tom").call("DELETE", f"{BASE}/sessions/w1?user=ana"), 403, "not_allowed")
    await ana.event_of(await ana.insert_task("cake"))


async def test_ending_a_session_revokes_its_token_alone(stack: RunningGateway, found: FoundWedding) -> None:
    """The socket closes with 4401, the token opens nothing more, and the person's other token still does."""
    await found("w1")
    token = token_of("tom", "w1")
    lost_phone = await stack.connect()
    await lost_phone.hello("w1", "tom", token=token)
    await lost_phone.until_synced()
    laptop = await stack.join("w1", "tom")
    ana = HttpApi(stack, "w1", "ana")
    await sessions_of(ana, 2)
    ended = await ana.call("DELETE", f"{BASE}/sessions/w1/{lost_phone.welcome['session']}")
    assert ended.status == 204
    await lost_phone.expect("error", code="bad_token")
    assert await lost_phone.closed_with() == 4401
    assert is_problem(await HttpApi(stack, "w1", "tom", token=token).get("presence"), 401, "bad_token")
    again = await stack.connect()
    await again.hello("w1", "tom", token=token)
    await again.expect("error", code="bad_token")
    await laptop.event_of(await laptop.insert_task("cake"))


async def test_ending_a_session_revokes_the_token_that_it_has_by_now(stack: RunningGateway, found: FoundWedding) -> None:
    """Every phone replaces its token before it ends; the list and its end follow."""
    await found("w1")
    first, second = token_of("tom", "w1"), token_of("tom", "w1")
    lost_phone = await stack.connect()
    await lost_phone.hello("w1", "tom", token=first)
    await lost_phone.until_synced()
    tom = HttpApi(stack, "w1", "tom", token=second)
    await sessions_of(tom, 1)
    await lost_phone.send({"type": "token_refresh", "token": second})
    await lost_phone.expect("token_refreshed")

    async def is_own() -> bool:
        return bool((await sessions_of(tom, 1))[0]["isOwnToken"])

    await eventually(is_own, "the list knows the new token")
    ended = await HttpApi(stack, "w1", "ana").call("DELETE", f"{BASE}/sessions/w1/{lost_phone.welcome['session']}")
    assert ended.status == 204
    await lost_phone.expect("error", code="bad_token")
    assert await lost_phone.closed_with() == 4401
    assert is_problem(await tom.get("presence"), 401, "bad_token")


async def test_ending_all_sessions_of_a_person_leaves_only_later_tokens(stack: RunningGateway, found: FoundWedding) -> None:
    """Every token issued before is refused, also one that was never used; one issued afterwards opens."""
    await found("w1")
    tom, unused = await stack.join("w1", "tom"), token_of("tom", "w1")
    assert (await HttpApi(stack, "w1", "tom").call("DELETE", f"{BASE}/sessions/w1")).status == 204
    await tom.expect("error", code="bad_token")
    assert await tom.closed_with() == 4401
    assert is_problem(await HttpApi(stack, "w1", "tom", token=unused).get("presence"), 401, "bad_token")
    later = await stack.connect()
    await later.hello("w1", "tom", token=token_of("tom", "w1", now=time.time() + 1))
    await later.until_synced()
    await stack.join("w1", "ana")


@pytest.mark.parametrize("is_heard", [True, False])
async def test_a_revocation_reaches_every_gateway(
    jetstream: NatsServer,
    database_url: str,
    stack: RunningGateway,
    found: FoundWedding,
    monkeypatch: pytest.MonkeyPatch,
    is_heard: bool,
) -> None:
    """Sockets at another gateway close too, also when the message was lost on the way; a gateway that starts later knows."""
    await found("w1")
    monkeypatch.setattr(revocations, "REREAD_SECONDS", 0.1)
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2")
    async with running_gateway(settings) as other:
        tom, token = await other.join("w1", "tom"), token_of("tom", "w1")
        if not is_heard:
            subscription = other.gateway.revocations._subscription
            assert subscription is not None
            await subscription.unsubscribe()
        assert (await HttpApi(stack, "w1", "ana").call("DELETE", f"{BASE}/sessions/w1?user=tom")).status == 204
        await tom.expect("error", code="bad_token")
        assert await tom.closed_with() == 4401
    async with running_gateway(settings) as later:
        assert is_problem(await HttpApi(later, "w1", "tom", token=token).get("presence"), 401, "bad_token")
