"""A loop that stands still is noticed from outside, with its stack, and ends the process; one that turns is left alone."""

import asyncio
import threading
from contextlib import suppress

from structlog.testing import capture_logs

from gateway.telemetry.watchdog import Watchdog
from tests.support.waiting import eventually


def stand_still(released: threading.Event) -> None:
    """What a gateway must never do: wait in the loop."""
    released.wait(60)


async def test_a_stuck_loop_is_told_with_its_stack_and_ends_the_process() -> None:
    """The log names the function in which the loop stands, before the process is ended."""
    ended = threading.Event()
    with capture_logs() as logs:
        watching = asyncio.create_task(Watchdog(0.2, end=ended.set, timer_patience=1000).run())
        await asyncio.sleep(0)
        stand_still(ended)
    assert ended.is_set()
    [stuck] = [entry for entry in logs if entry["event"] == "event_loop_stuck"]
    assert "stand_still(ended)" in stuck["stack"]
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def test_a_loop_that_turns_is_left_alone() -> None:
    """However long it runs and however late a single beat is."""
    ended = threading.Event()
    watchdog = Watchdog(2.0, end=ended.set, timer_patience=1000)
    watching = asyncio.create_task(watchdog.run())
    await eventually(lambda: watchdog._beats > 3, "the loop has beaten a few times")
    threading.Event().wait(0.3)
    await eventually(lambda: watchdog._beats > 5, "it went on")
    assert not ended.is_set()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
