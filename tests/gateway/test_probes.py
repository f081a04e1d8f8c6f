"""Probes, numbers and the micro service: what orchestrators, Prometheus and the `nats` command line see of a gateway."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from actors.contract.codes import CODES
from config.supervision.data_folder import DataFolder
from gateway.http import routes
from gateway.http.api import Api
from gateway.http.problems import status_of
from gateway.telemetry.health import Health
from store.log_guard import LogGuard
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway
from tests.support.hosts import host_settings, running_bus, running_host
from tests.support.http_api import HttpApi, is_problem
from tests.support.requirements import ROOT, require_nats_command_line
from tests.support.servers import NatsServer, start_embedded_nats
from tests.support.waiting import eventually


@pytest.mark.servers
async def test_a_gateway_is_ready_until_it_drains(stack: RunningGateway) -> None:
    """Ready while NATS and the log answer; the reason stands in the problem when it drains."""
    api = HttpApi(stack, "w1", "ana", token="")
    ready = await eventually(lambda: _unimpaired(api), "ready, and a host is heard")
    assert ready.body == {"status": "ready", "reasons": [], "impaired": []}
    assert (await api.call("GET", "/startupz")).body == {"status": "started"}
    assert (await api.call("GET", "/healthz")).body["status"] == "alive"
    stack.gateway.ready = False
    draining = await api.call("GET", "/readyz")
    assert is_problem(draining, 503, "unavailable")
    assert draining.body["reasons"] == ["draining"]
    assert (await api.call("GET", "/healthz")).status == 200


@pytest.mark.servers
async def test_a_full_gateway_sends_traffic_elsewhere_and_a_database_that_is_away_does_not(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for another socket: `overloaded`. PostgreSQL away: told, and still ready, for awake weddings go on (design D7)."""
    monkeypatch.setattr("gateway.telemetry.alarms._LOOK_SECONDS", 0.05)
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits={"sockets_per_gateway": 1})
    async with running_gateway(settings) as small:
        api = HttpApi(small, "w1", "ana", token="")
        await eventually(lambda: _ready(api), "ready")
        talker = await small.connect()
        full = await api.call("GET", "/readyz")
        assert is_problem(full, 503, "unavailable")
        assert full.body["reasons"] == ["overloaded"]
        await talker.close()
        await eventually(lambda: _ready(api), "ready again")
        small.gateway.database._pool.terminate()
        await eventually(lambda: _impaired(api, "postgres_unavailable"), "PostgreSQL is known to be away")
        assert (await api.call("GET", "/readyz")).status == 200


@pytest.mark.servers
async def test_a_gateway_without_hosts_says_so_and_stays_ready(jetstream: NatsServer, database_url: str) -> None:
    """Without a host ops are saved and decided later: told as impaired, and no reason to go elsewhere."""
    settings = gateway_settings(jetstream, database_url, heads_interval_seconds=0.05, heads_silence_seconds=0.5)
    hosts = host_settings(jetstream, database_url, heads_interval_seconds=0.05)
    async with running_host(hosts) as host, running_gateway(settings) as gateway:
        api = HttpApi(gateway, "w1", "ana", token="")
        await eventually(lambda: _unimpaired(api), "a host is heard")
        await host.close()
        await eventually(lambda: _impaired(api, "hosts_silent"), "the host is missed")
        assert (await api.call("GET", "/readyz")).status == 200


async def _unimpaired(api: HttpApi) -> Any:
    answer = await api.call("GET", "/readyz")
    return answer if answer.status == 200 and not answer.body["impaired"] else None


async def _impaired(api: HttpApi, what: str) -> bool:
    return what in (await api.call("GET", "/readyz")).body["impaired"]


async def _ready(api: HttpApi) -> Any:
    answer = await api.call("GET", "/readyz")
    return answer if answer.status == 200 else None


@pytest.mark.servers
async def test_a_gateway_without_nats_is_not_ready(tmp_path: Path) -> None:
    """When NATS is away the reason says so; without the log's streams, too."""
    server = start_embedded_nats(DataFolder(tmp_path / ".wedsync"))
    try:
        async with running_bus(server, "gateway") as bus:
            health = Health(
                bus,
                LogGuard(bus),
                is_draining=lambda: False,
                is_full=lambda: False,
                log_is_silent=lambda: False,
                database_answers=lambda: True,
                hosts_are_heard=lambda: True,
            )
            await health.start()
            assert health.reasons() == ["log_unavailable"]
            server.server.kill()
            await eventually(lambda: health.reasons() == ["nats_disconnected"], "NATS is known to be away")
            assert health.is_alive
            await health.stop()
    finally:
        server.server.stop()


@pytest.mark.servers
async def test_inv5_numbers_name_neither_weddings_nor_people(stack: RunningGateway, found: FoundWedding) -> None:
    """Metrics have our prefix, rise with what happens, and no label holds an id or a path as it was sent."""
    await found("secret-wedding")
    ana = HttpApi(stack, "secret-wedding", "ana")
    talker = await stack.join("secret-wedding", "ana")
    await talker.insert_task("secret-task")
    await ana.post("join")
    await ana.call("GET", "/api/secret-path")
    text = (await ana.call("GET", "/metrics")).text
    for name in ("secret", "ana", talker.client):
        assert not re.search(rf'="[^"]*{name}[^"]*"', text), name
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert all(name.startswith("wedsync_") for name in samples)
    assert float(samples["wedsync_ws_connections"]) == 1
    assert float(samples["wedsync_gateway_ops_accepted_total"]) == 1
    join = 'wedsync_gateway_http_requests_total{method="POST",route="/api/collaboration/join/{wedding}",status="200"}'
    assert float(samples[join]) == 1
    assert float(samples['wedsync_gateway_http_requests_total{method="GET",route="unknown",status="404"}']) == 1


@pytest.mark.servers
@pytest.mark.nats_cli
async def test_operators_see_gateways_with_the_nats_command_line(stack: RunningGateway, jetstream: NatsServer) -> None:
    """`nats micro ls`, `info` and `stats` show the service, who it is and its numbers; a published op arrives."""
    nats = require_nats_command_line()

    async def run(*arguments: str) -> str:
        url = jetstream.operator_url
        process = await asyncio.create_subprocess_exec(
            nats, "--server", url, "--inbox-prefix", "_INBOX_operator", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    assert "wedsync-gateway" in await run("micro", "ls")
    assert "WedSync gateway" in await run("micro", "info", "wedsync-gateway")
    stats = json.loads(await run("micro", "stats", "wedsync-gateway", "--json"))
    assert stats["name"] == "wedsync-gateway" if isinstance(stats, dict) else stats[0]["name"] == "wedsync-gateway"
    founding = {
        "type": "timeline_update", "action": "insert", "target": {"collection": "wedding", "id": "w1"},
        "data": {"title": "T", "date": "2027-06-19", "timeZone": "Europe/London", "homeCurrency": "GBP"},
    }  # fmt: skip
    member = {
        "type": "permission_update", "action": "insert", "target": {"collection": "people", "id": "ana"},
        "data": {"name": "Ana", "role": "couple"},
    }  # fmt: skip
    for op in (founding, member):
        await run("publish", "wedding.w1.op.operator", json.dumps(op))
    await eventually(lambda: _joins(HttpApi(stack, "w1", "ana")), "ana is a member")
    talker = await stack.join("w1", "ana")
    task = {"type": "task_completion", "action": "insert", "target": {"collection": "tasks", "id": "t1"}, "data": {"title": "x"}}
    await run("publish", "wedding.w1.op.operator", json.dumps(task))
    frame = await talker.expect("collaboration_event")
    assert frame["events"][0]["userId"] == "operator"


async def _joins(api: HttpApi) -> bool:
    return (await api.post("join")).status == 200


def test_the_protocol_document_names_every_address_and_status() -> None:
    """docs/protocol.md shows each route of the HTTP API, no other, and each code under the status that it has.

    The files of the web client have a chapter of their own.
    """
    document = (ROOT / "docs" / "protocol.md").read_text().partition("\n## HTTP\n")[2].partition("\n## NATS\n")[0]
    told = {tuple(each.split("?")[0].split(" ")) for each in re.findall(r"`((?:GET|POST|DELETE) /[^`]*)`", document)}
    app = web.Application()
    routes.register(app, cast("Api", None))
    files = {"/app", "/client.js", *(f"/web/{each.name}" for each in (ROOT / "gateway" / "web").iterdir())}
    routed = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None]
    known = {(method, address) for method, address in routed if address not in files}
    assert told == {(method, address) for method, address in known if method != "HEAD"}
    statuses = dict(re.findall(r"\| (\d{3}) \| (.*) \|", document))
    for code in CODES:
        assert f"`{code}`" in statuses[str(status_of(code))], code
