"""Copies of streams: what backup and restore do to the log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.supervision.nats_permissions import inbox_prefix
from config.supervision.stream_copy import first_sequences, load_stream, save_stream, stream_names
from store.bus import Bus
from tests.support.servers import NatsServer

pytestmark = pytest.mark.servers


@pytest.fixture
async def bus(jetstream: NatsServer) -> AsyncIterator[Bus]:
    password = jetstream.password_of("host")
    bus = await Bus.connect(jetstream.url, user="host", password=password, name="test", inbox_prefix=inbox_prefix("host"))
    yield bus
    await bus.close()


async def test_stream_comes_back_with_its_sequences(bus: Bus, tmp_path: Path) -> None:
    """A restored stream has the same messages under the same positions, the same identity, and goes on after them."""
    config = {"name": "LOG_0", "subjects": ["log.>"], "metadata": {"stream_id": "x"}}
    await bus.js_request("STREAM.CREATE.LOG_0", config)
    for number in range(1, 201):
        await bus.request(f"log.{number}", number.to_bytes(2, "big") * 8192, timeout_seconds=5)
    await bus.js_request("STREAM.MSG.DELETE.LOG_0", {"seq": 1})
    copied: list[int] = []
    assert await stream_names(bus) == ["LOG_0"]
    await save_stream(bus, "LOG_0", tmp_path, copied.append)
    before = (await bus.js_request("STREAM.INFO.LOG_0"))["state"]
    assert (tmp_path / "LOG_0.tar.s2").stat().st_size == sum(copied)

    await bus.js_request("STREAM.DELETE.LOG_0")
    await load_stream(bus, "LOG_0", tmp_path, copied.append)
    after = await bus.js_request("STREAM.INFO.LOG_0")
    assert after["state"] == before
    assert after["config"]["metadata"]["stream_id"] == "x"
    assert await first_sequences(bus, ["LOG_0"]) == {"LOG_0": 2}
    last = await bus.js_request("STREAM.MSG.GET.LOG_0", {"seq": 200})
    assert last["message"]["subject"] == "log.200"
    assert b'"seq":201' in await bus.request("log.201", b"", timeout_seconds=5)
