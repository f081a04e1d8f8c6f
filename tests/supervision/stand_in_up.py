"""A small `up` for the tests: the real supervisor with the real servers, and stand-ins for hosts and gateways.

Run as `python -m tests.supervision.stand_in_up FOLDER`; prints READY when all of it serves.
"""

import asyncio
import os
import sys
from pathlib import Path

from config.logging import configure_logging
from config.settings import Settings
from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder
from config.supervision.embedded_nats import nats_child
from config.supervision.embedded_postgres import postgres_child
from config.supervision.supervisor import Supervisor, end_left_over, watch_signals

_STAND_IN = "print('READY stand-in', flush=True); import signal; signal.pause()"


def stand_in(role: str, identity: str, code: str = _STAND_IN) -> ChildSpec:
    """A child that says that it is ready and waits for its end."""
    return ChildSpec(role=role, identity=identity, command=(sys.executable, "-c", code), environment=dict(os.environ))


async def serve(folder: DataFolder) -> None:
    with folder.locked():
        end_left_over(folder)
        keys = folder.ensure_keys()
        ports = folder.reserve_ports("nats", "nats_monitor", "postgres")
        supervisor = Supervisor(folder, {"httpUrl": "http://127.0.0.1:1", "natsUrl": "nats://127.0.0.1:1"})
        stop = asyncio.Event()
        watch_signals(stop, supervisor)
        await supervisor.start([postgres_child(folder, keys, ports["postgres"]), nats_child(folder, keys, ports)])
        await supervisor.start([stand_in("host", "host-1"), stand_in("gateway", "gateway-1")])
        sys.stdout.write("READY\n")
        sys.stdout.flush()
        await stop.wait()
        await supervisor.stop()


if __name__ == "__main__":
    configure_logging(Settings(), role="up")
    asyncio.run(serve(DataFolder(Path(sys.argv[1]))))
