"""A disk without room under nats-server: what it can no longer do is seen, told, and over when there is room again."""

import asyncio
import dataclasses
import resource
import secrets
import sys
from pathlib import Path

import pytest

from config.supervision.data_folder import DataFolder
from config.supervision.embedded_nats import nats_child
from config.supervision.process import ProcessState
from config.supervision.supervisor import Supervisor
from store.errors import AppendUnknown
from store.log_writer import LogWriter
from tests.support.hosts import running_bus
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.processes, pytest.mark.servers]
_LOG = {"name": "LOG_0", "subjects": ["log.>"], "allow_atomic": True, "discard": "new", "storage": "file"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forbid another process to write")
async def test_a_log_that_met_a_full_disk_takes_ops_again_when_there_is_room(tmp_path: Path) -> None:
    """The server that gives up writing is shown as stuck, started again once there is room, and has what it acknowledged."""
    folder = DataFolder(tmp_path / ".wedsync")
    keys, ports = folder.ensure_keys(), folder.reserve_ports("nats", "nats_monitor")
    there_is_room = asyncio.Event()
    spec = dataclasses.replace(nats_child(folder, keys, ports), restart_helps=there_is_room.is_set)
    supervisor = Supervisor(folder, {})
    try:
        await supervisor.start([spec])
        async with running_bus(NatsServer(keys, ports["nats"], ports["nats_monitor"]), "host") as bus:
            await bus.js_request("STREAM.CREATE.LOG_0", _LOG)
            writer = await LogWriter.open(bus, secrets.token_hex(16))
            assert await writer.append([("log.r0.0.w.w1.ana", b"before")]) == 1
            [nats] = folder.read_state()["processes"]
            resource.prlimit(nats["pid"], resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            with pytest.raises(AppendUnknown):
                await writer.append([("log.r0.0.w.w1.ana", b"without room")], timeout_seconds=0.1)
            await eventually(lambda: _state(folder) == ProcessState.STUCK, "the server is known to be stuck")
            there_is_room.set()
            await eventually(lambda: _state(folder) == ProcessState.READY, "it was started again")
            await eventually(lambda: bus.connected, "the bus is back")
            assert await writer.append([("log.r0.0.w.w1.ana", b"after")], timeout_seconds=10.0) >= 2
            first = await bus.js_request("STREAM.MSG.GET.LOG_0", {"seq": 1})
            assert first["message"]["subject"] == "log.r0.0.w.w1.ana"
    finally:
        await supervisor.stop()


def _state(folder: DataFolder) -> str:
    return str(folder.read_state()["processes"][0]["state"])
