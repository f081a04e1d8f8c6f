"""A process that runs on and does its work no more, because of what it has met: ended, once that is over, to be started again.

nats-server gives up writing a stream at the first write for which the disk has no room, says so, and acknowledges nothing
from then on, however much room there is later. Called by `process` with the child that said so; which words mean it, and
whether a restart would help, is in its `ChildSpec`.
"""

import asyncio
import contextlib
import shutil
from pathlib import Path

import structlog

from config.supervision.child import ChildSpec

_LOOK_EVERY_SECONDS = 1.0
#: A server that begins again needs some to go on: a block of the log is 8 MB, a segment of PostgreSQL's log 16 MB.
ROOM_BYTES = 64 << 20

log = structlog.get_logger(__name__)


def has_room(folder: Path) -> bool:
    """Whether the disk of this folder can take some again; quick."""
    return shutil.disk_usage(folder).free >= ROOM_BYTES


async def end_when_it_helps(spec: ChildSpec, child: asyncio.subprocess.Process) -> None:
    """Wait until a restart helps, then ask the child to end; its supervisor starts it again."""
    log.error(
        "process_stuck", id=spec.identity, remedy=f"Make room on its disk, {ROOM_BYTES >> 20} MB at least; it is restarted then."
    )
    while child.returncode is None and not spec.restart_helps():  # noqa: ASYNC110  # nothing could set an event
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(spec.stop_signal)
