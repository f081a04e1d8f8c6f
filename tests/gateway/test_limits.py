"""Every limit, met by a real client: it is told which one, its value and when to go on, and nobody else is hurt (INV6)."""

from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from pydantic.alias_generators import to_camel

from config.limits import RATES, Limits, names_of_rate
from gateway.access.addresses import client_address
from gateway.access.limiter import ConnectionBudget, Limiter
from gateway.access.rate import Buckets, Rate
from gateway.counts import Counts
from gateway.errors import SlowDown
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, Talker, gateway_settings, running_gateway, running_stack
from tests.support.http_api import HttpApi, is_problem
from tests.support.integrators import callout_settings, integrator
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


def told(refusal: dict[str, Any]) -> tuple[str, str, int]:
    """Which limit an error, a rejection or a problem names; all of `slow_down` say when to go on."""
    assert refusal["message" if "message" in refusal else "detail"]
    assert refusal["remedy"]
    assert refusal["code"] != "slow_down" or refusal["retryAfterMs"] > 0
    return refusal["code"], refusal["limit"], refusal["value"]


async def rejections(talker: Talker, number: int) -> list[dict[str, Any]]:
    """The next so many rejections."""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        frame = await talker.receive()
        found += [frame] if frame["type"] == "rejected" else []
    return found


def tasks(talker: Talker, number: int, prefix: str) -> dict[str, Any]:
    """A batch that inserts so many tasks."""
    ops = [
        talker.next_op("task_completion", "insert", "tasks", f"{prefix}{each}", title="x", done=False) for each in range(number)
    ]
    return {"type": "data_sync", "ops": ops}


async def test_inv6_a_person_with_several_sockets_has_one_rate(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """Ops over all sockets and requests of one person count together; the wedding's other members are not held back."""
    await found("w1")
    limits = {"op_burst_per_person": 6, "ops_per_second_per_person": 1}
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)
    async with running_gateway(settings) as strict:
        sockets = [await strict.join("w1", "ana") for _ in range(3)]
        for number, socket in enumerate(sockets):
            await socket.send(tasks(socket, 4, f"s{number}-"))
        refused = [each for socket, least in zip(sockets[1:], (1, 3), strict=True) for each in await rejections(socket, least)]
        assert {told(each) for each in refused} == {("slow_down", "opsPerSecondPerPerson", 1)}
        answer = await HttpApi(strict, "w1", "ana").submit("task_completion", "insert", "tasks", "h", {"title": "x"})
        assert is_problem(answer, 429, "slow_down")
        assert told(answer.body)[1] == "opsPerSecondPerPerson"
        assert int(answer.headers["Retry-After"]) * 1000 >= answer.body["retryAfterMs"]
        polite = await HttpApi(strict, "w1", "tom").submit("task_completion", "insert", "tasks", "polite", {"title": "x"})
        assert polite.status == 200


async def test_inv6_a_wedding_has_one_rate_and_others_do_not_feel_it(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """What a wedding may do at once is refused beyond its limit; another wedding goes on."""
    await found("w1")
    await HttpApi(stack, "w2", "ana").found_wedding()
    limits = {"op_burst_per_wedding": 5, "ops_per_second_per_wedding": 1}
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits=limits)
    async with running_gateway(settings) as strict:
        ana, tom, other = await strict.join("w1", "ana"), await strict.join("w1", "tom"), await strict.join("w2", "ana")
        await ana.send(tasks(ana, 8, "t"))
        assert {told(each) for each in await rejections(ana, 2)} == {("slow_down", "opsPerSecondPerWedding", 1)}
        assert told((await rejections(await _sent(tom, tasks(tom, 3, "u")), 1))[0])[1] == "opsPerSecondPerWedding"
        await other.event_of(await other.insert_task("polite"))
        assert strict.gateway.counts.limits_met_by_limit["opsPerSecondPerWedding"] >= 3


async def _sent(talker: Talker, frame: dict[str, Any]) -> Talker:
    await talker.send(frame)
    return talker


async def test_inv6_sockets_of_a_person_are_counted_and_given_back(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """One socket too many gets `slow_down` and 4429 at hello; others come in, and so does the same person once one has closed."""
    await found("w1")
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits={"sockets_per_person": 2})
    async with running_gateway(settings) as strict:
        first, _ = await strict.join("w1", "ana"), await strict.join("w1", "ana")
        third = await strict.connect()
        await third.hello("w1", "ana")
        assert told(await third.receive()) == ("slow_down", "socketsPerPerson", 2)
        assert await third.closed_with() == 4429
        await strict.join("w1", "tom")
        await first.close()
        seats = strict.gateway.limiter.seats_of_people
        await eventually(lambda: seats.taken(("w1", "ana")) == 1, "the seat is free")
        await strict.join("w1", "ana")
    assert not len(strict.gateway.limiter.seats_of_addresses)
    assert not len(seats)


async def test_inv6_an_address_and_a_person_have_a_rate_of_requests(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding
) -> None:
    """HTTP requests beyond a rate get 429 with Retry-After, of whoever is over it; probes are always answered."""
    await found("w1")
    limits = {
        "request_burst_per_person": 3, "requests_per_second_per_person": 1,
        "message_burst_per_address": 8, "messages_per_second_per_address": 1,
    }  # fmt: skip
    settings = gateway_settings(
        jetstream, database_url, gateway_id="gateway-2", limits=limits, trusted_proxies="127.0.0.1, 10.0.0.0/8"
    )
    async with running_gateway(settings) as strict:
        ana, tom = HttpApi(strict, "w1", "ana"), HttpApi(strict, "w1", "tom")
        answers = [await _presence(ana, "203.0.113.7, 10.1.2.3") for _ in range(4)]
        refused = next(each for each in answers if each.status != 200)
        assert is_problem(refused, 429, "slow_down")
        assert told(refused.body) == ("slow_down", "requestsPerSecondPerPerson", 1)
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await _presence(tom, "198.51.100.1")).status == 200
        answers = [await _presence(ana, "203.0.113.7") for _ in range(8)]
        assert "messagesPerSecondPerAddress" in {each.body.get("limit") for each in answers}
        headers = {"X-Forwarded-For": "203.0.113.7"}
        with pytest.raises(WSServerHandshakeError) as upgrade:
            await strict.connect(headers=headers)
        assert upgrade.value.status == 429
        assert (await tom.call("GET", "/healthz", **{"X-Forwarded-For": "203.0.113.7"})).status == 200
        assert (await _presence(tom, "198.51.100.1")).status == 200


async def _presence(api: HttpApi, forwarded: str) -> Any:
    return await api.call("GET", f"/api/collaboration/presence/{api.wedding}", **{"X-Forwarded-For": forwarded})


async def test_inv6_an_integrator_over_its_rate_hears_which_limit(jetstream: NatsServer, database_url: str) -> None:
    """A flood over NATS beyond what is waited for is refused with the limit's name; other people of the wedding go on."""
    limits = {"op_burst_per_person": 5, "ops_per_second_per_person": 5}
    async with running_stack(jetstream, database_url, limits=limits, **callout_settings(jetstream)) as strict:
        ana = HttpApi(strict, "w1", "ana")
        await ana.found_wedding()
        await ana.submit("permission_update", "insert", "people", "bot", {"name": "Bot", "role": "vendor"})
        async with integrator(jetstream, "w1", "bot") as bot:
            for number in range(80):
                await bot.task("insert", f"t{number}", {"title": "x"})
            assert told(await bot.outcome("slow_down")) == ("slow_down", "opsPerSecondPerPerson", 5)
            assert (await ana.submit("task_completion", "insert", "tasks", "polite", {"title": "x"})).status == 200


async def test_inv6_too_many_repairs_and_too_large_batches_name_their_limit(stack: RunningGateway, found: FoundWedding) -> None:
    """Batch, op, presence and repair: each refusal on the socket says which limit and its value, and the socket lives on."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    limits = ana.welcome["limits"]
    await ana.send({"type": "data_sync", "ops": [{}] * (limits["batchOps"] + 1)})
    assert told(await ana.expect("error")) == ("too_large", "batchOps", limits["batchOps"])
    huge = ana.next_op("task_completion", "insert", "tasks", "t", title="x" * limits["opBytes"])
    await ana.submit(huge)
    assert told(await ana.expect("rejected", next=1)) == ("too_large", "opBytes", limits["opBytes"])
    await ana.send({"type": "presence_update", "presence": {"note": "x" * limits["presenceBytes"]}})
    assert told(await ana.expect("error")) == ("too_large", "presenceBytes", limits["presenceBytes"])
    for _ in range(limits["repairBurstPerConnection"] + 1):
        await ana.send({"type": "data_sync", "channels": {}})
    assert told(await ana.expect("error")) == ("slow_down", "repairsPerSecondPerConnection", 1)
    answer = await HttpApi(stack, "w1", "ana").post("sync", {"ops": [{}] * (limits["batchOps"] + 1)})
    assert told(answer.body) == ("too_large", "batchOps", limits["batchOps"])
    answer = await HttpApi(stack, "w1", "ana").post("sync", {"padding": "x" * limits["frameBytes"]})
    assert is_problem(answer, 413, "too_large")
    assert told(answer.body) == ("too_large", "frameBytes", limits["frameBytes"])


async def test_every_limit_is_served(stack: RunningGateway, found: FoundWedding) -> None:
    """`/limits` and `welcome` tell the same, and each rate has its burst."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    served = (await HttpApi(stack, "w1", "ana").call("GET", "/limits")).body
    assert served == ana.welcome["limits"] == Limits().as_wire()
    assert {to_camel(name) for each in RATES for name in names_of_rate(*each)} <= served.keys()


def test_inv7_idle_keys_are_forgotten_and_active_ones_are_bounded() -> None:
    """A key that has been idle until its bucket was full again takes no memory; beyond the bound the longest idle one goes."""
    buckets = Buckets[int](Rate("opsPerSecondPerPerson", 10, 20), most=100)
    for key in range(1000):
        buckets.of(key, now=0.0).take()
    assert len(buckets) == 100
    buckets.of(1, now=1e6)
    assert len(buckets) == 1


def test_inv6_an_op_over_one_rate_counts_in_no_other() -> None:
    """Who is refused for its own rate does not use up what the wedding may do."""
    limits = Limits(ops_per_second_per_person=1, op_burst_per_person=1, ops_per_second_per_wedding=2, op_burst_per_wedding=2)
    limiter = Limiter(limits, Counts())
    limiter.require_op("w1", "ana", limiter.bucket_of_connection())
    for _ in range(5):
        with pytest.raises(SlowDown):
            limiter.require_op("w1", "ana", limiter.bucket_of_connection())
    limiter.require_op("w1", "tom", limiter.bucket_of_connection())


def test_inv6_large_frames_count_for_their_size() -> None:
    """A connection that sends few but huge frames meets the same limit."""
    budget = ConnectionBudget(Limiter(Limits(), Counts()), "203.0.113.7")
    for _ in range(5):
        budget.require_frame(1024 * 1024)
    with pytest.raises(SlowDown):
        budget.require_frame(1)


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "address"),
    [
        ("203.0.113.7", "198.51.100.1", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "10.0.0.0/8", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "10.0.0.0/8", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "rubbish", "10.0.0.0/8", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", "", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", "", "203.0.113.7"),
        ("", "", "", ""),
    ],
)
def test_inv6_an_address_is_the_clients_and_cannot_be_forged(remote: str, forwarded: str, trusted: str, address: str) -> None:
    """Only a trusted proxy is believed, and only what it saw itself."""
    assert client_address(remote, forwarded, trusted) == address
