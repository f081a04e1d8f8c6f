"""A WedSync whose log was damaged while it did not run: refused with the remedy, replaced, and clients bring the rest back."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.client import Client
from tests.supervision.test_up import create_wedding
from tests.support import damage
from tests.support.waiting import eventually
from tests.support.wedsync_process import WedSync

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]
#: Nothing more is stored after the first part, so that the log alone holds the second.
UNSTORED = {"WEDSYNC_FLUSH_INTERVAL_SECONDS": "600", "WEDSYNC_IDLE_CHECKPOINT_SECONDS": "600"}


async def insert(client: Client, first: int, last: int) -> None:
    """Insert tasks and wait until all of them are decided."""
    inserted = [client.insert("tasks", f"t{each}", {"title": "x" * 100, "done": False}) for each in range(first, last)]
    for pending in inserted:
        assert (await pending.outcome()).applied


async def test_d12_clients_converge_after_a_lost_log_was_replaced(tmp_path: Path) -> None:
    """`up` ends with both commands in its message; what was stored is kept, and what the log alone had comes from the clients."""
    wedsync = WedSync(tmp_path / ".wedsync", tmp_path / "up.log")
    try:
        await asyncio.to_thread(wedsync.start)
        token = await asyncio.to_thread(create_wedding, wedsync, "lost-wedding")
        async with Client(wedsync.http_url, "lost-wedding", token) as client:
            await insert(client, 0, 30)
            await asyncio.to_thread(wedsync.stop)
            await asyncio.to_thread(wedsync.start, **UNSTORED)
            await client.until(lambda: client.is_synced, within_seconds=30)
            await insert(client, 30, 40)
            await asyncio.to_thread(wedsync.kill)
            await eventually(lambda: not wedsync.status()["processes"][0]["pid"], "everything has ended")
            damage.flip_bit(wedsync.data / "nats", at=0.3)
            damage.remove_index(wedsync.data / "nats")
            command = [sys.executable, "-m", "config.cli.app", "up", "--port", "0", "--data", str(wedsync.data)]
            refused = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert "`wedsync scrub`" in refused.stderr.splitlines()[-1]
            assert "`wedsync reseed`" in refused.stderr.splitlines()[-1]
            assert (await asyncio.to_thread(wedsync.run, "scrub")).returncode == 1
            replaced = await asyncio.to_thread(wedsync.run, "reseed")
            assert replaced.returncode == 0, replaced.stderr
            assert "LOG_0: begins at 32, 0 ops carried over" in replaced.stdout
            await asyncio.to_thread(wedsync.start)
            await client.until(lambda: client.is_synced and len(client.confirmed()["tasks"]) == 40, within_seconds=30)
            assert client.mismatches == 0
        assert (await asyncio.to_thread(wedsync.run, "scrub")).returncode == 0
        status = await asyncio.to_thread(wedsync.run, "status")
        assert (status.returncode, "ALARM" in status.stdout) == (0, False), status.stdout
        assert "0 differences" in status.stdout
    finally:
        wedsync.stop()
