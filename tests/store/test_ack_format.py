"""The reply subjects by which JetStream numbers its deliveries: the version that is pinned, and the one that may come."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.supervision.data_folder import DataFolder
from config.supervision.embedded_nats import nats_child
from store.bus import Bus
from store.log_writer import LogWriter
from tests.store.conftest import Heard, OpenBus
from tests.store.reading import Read, Reader, make_log, op
from tests.support.servers import EmbeddedServer, NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers
_PINNED = "js_ack_fc_v2: false"


@pytest.fixture
def next_version(tmp_path: Path) -> Iterator[NatsServer]:
    """The shipped configuration with the second version of the format switched on."""
    folder = DataFolder(tmp_path / ".wedsync")
    keys, ports = folder.ensure_keys(), folder.reserve_ports("nats", "nats_monitor")
    spec = nats_child(folder, keys, ports)
    path = Path(spec.command[-1])
    text = path.read_text()
    assert _PINNED in text
    other = path.with_name("next.conf")
    other.write_text(text.replace(_PINNED, "js_ack_fc_v2: true"))
    server = EmbeddedServer(lambda: replace(spec, command=(*spec.command[:-1], str(other))), tmp_path / "nats.log")
    server.start()
    yield NatsServer(keys, ports["nats"], ports["nats_monitor"], server)
    server.stop()


async def tokens_of_a_delivery(bus: Bus) -> int:
    """How many tokens the reply subject of one delivery from LOG_0 has."""
    await make_log(bus)
    writer = await LogWriter.open(bus, secrets.token_hex(16))
    await writer.append([op(1)] * 3)
    config = {"name": "c", "ack_policy": "none", "mem_storage": True}
    await bus.js_request("CONSUMER.CREATE.LOG_0.c", {"stream_name": "LOG_0", "config": config})
    heard, inbox = Heard(), bus.new_inbox() + ".c"
    await bus.subscribe(inbox, heard)
    await bus.publish("$JS.API.CONSUMER.MSG.NEXT.LOG_0.c", b'{"batch":1}', reply=inbox)
    await eventually(lambda: heard.messages, "a delivery comes")
    return heard.messages[0].reply.count(".") + 1


async def test_the_shipped_configuration_pins_the_first_version(bus: Bus) -> None:
    """A gateway may acknowledge on `$JS.ACK.INTAKE.>` alone, which the second version would not match."""
    assert await tokens_of_a_delivery(bus) == 9


async def test_the_reader_reads_the_second_version_too(next_version: NatsServer, open_bus: OpenBus, read: Read) -> None:
    """nats-py's own consumer dies of it; ours finds position and count where the longer form has them."""
    bus = await open_bus(next_version)
    assert await tokens_of_a_delivery(bus) > 9
    consumer = await Reader(bus).start(read)
    await eventually(lambda: consumer.position == 3, "everything is read")
    assert read.positions == [1, 2, 3]
    assert read.resets == []
    await consumer.stop()
