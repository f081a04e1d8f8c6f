"""What the soak alters in a process: its clock, its addresses, and, for the self-test, a rule of the product."""

import subprocess
import sys

import pytest

from bench.soak.altered import Alteration, redirected

_SHIFTED = """
import time
before = time.time(), time.monotonic()
from bench.soak.altered import shift_clock
shift_clock(3600.0)
from datetime import UTC, datetime
import asyncpg
assert 3590 < time.time() - before[0] < 3700, "wall clock"
assert time.monotonic() - before[1] < 100, "durations"
assert 3590 < datetime.now(UTC).timestamp() - before[0] < 3700, "dates"
"""
_BROKEN = """
from bench.soak.broken import alter
alter("{name}")
{check}
"""


def run(program: str) -> None:
    """Run it in a process of its own, where it may break what it likes."""
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=30)


def test_a_wrong_clock_is_wrong_in_every_way_to_ask_and_leaves_durations_alone() -> None:
    """Time of day moves, elapsed time does not, as on a machine with a bad clock."""
    run(_SHIFTED)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("async", "from store import streams; assert streams._stream.__name__ == 'careless'"),
        ("dedupe", "from actors.domain import decide, turns; assert decide.take_turn is not turns.take_turn"),
        (
            "verbs",
            (
                "from actors.domain import evolve, resolutions, texts, undo, waiting; "
                "assert {texts.placed.__name__, evolve.placed.__name__} == {'unmoved'} and waiting.missing_for(None) == []; "
                "assert resolutions._answered.__name__ == undo.fields_left.__name__ == '<lambda>'"
            ),
        ),
        ("clock", "from actors.domain import decide; assert decide.decide.__name__ == 'decide_by_clock'"),
    ],
)
def test_each_way_to_be_broken_still_finds_what_it_breaks(name: str, check: str) -> None:
    """A name of the product that moves away must not leave a self-test that breaks nothing."""
    run(_BROKEN.format(name=name, check=check))


def test_a_process_is_sent_to_its_links_and_nothing_else_changes() -> None:
    """Only the ports of the two addresses are others."""
    environment = {"NATS_URL": "nats://127.0.0.1:4222", "DATABASE_URL": "postgresql://u:p1@127.0.0.1:5432/wedsync", "X": "1"}
    assert redirected(environment, {"nats": 7001, "postgres": 7002}) == {
        "NATS_URL": "nats://127.0.0.1:7001",
        "DATABASE_URL": "postgresql://u:p1@127.0.0.1:7002/wedsync",
        "X": "1",
    }


def test_an_alteration_travels_on_the_command_line() -> None:
    """What is started again after a death is altered in the same way."""
    alteration = Alteration(skews={"host-1": 3.0}, broken="clock")
    assert alteration.command() == ("bench.soak.altered", '{"skews":{"host-1":3.0},"broken":"clock"}')
