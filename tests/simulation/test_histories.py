"""As many histories as fit into a few seconds, and the proof that each follows from its seed alone."""

import os
import subprocess
import sys
import time
from typing import Final

import pytest

from tests.simulation.campaign import Campaign, replay_command

CPU_SECONDS: Final = 10.0
#: So many also on a slow machine, or what is asked for below might not have happened yet.
HISTORIES_AT_LEAST: Final = 300
#: What histories are for; a campaign in which one of these never happened has tested less than it says.
SOMETIMES: Final = (
    "answered",
    "buffer_overflows",
    "cut pairs",
    "freezes",
    "guard refusals",
    "kills",
    "messages lost",
    "messages_sent",
    "outages",
    "planned ends",
    "restarts_as_new",
    "rules activated",
    "silent_folds",
    "sleeps",
    "timers_sent",
    "undecodable_messages",
    "unknown appends",
)


@pytest.mark.timeout(300)  # the seconds above are those of the processor
def test_inv1_histories_full_of_faults_keep_every_promise() -> None:
    """Every saved op has one decision, everything stored, held or said is what the log gives, and every kind of fault was met."""
    campaign = Campaign(0)
    end = time.process_time() + CPU_SECONDS
    while campaign.histories < HISTORIES_AT_LEAST or time.process_time() < end:
        outcome = campaign.run_next()
        assert not outcome.offences, "\n".join((replay_command(outcome.seed), *outcome.offences))
    assert [name for name in SOMETIMES if not campaign.seen[name]] == []


def test_inv2_the_same_seed_gives_the_same_history() -> None:
    """Two processes that order sets of text differently write and say the same, at the same virtual times."""
    command = [sys.executable, "-P", "-m", "tests.simulation", "--seed", "3000", "--count", "15"]
    runs = [
        subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True) for seed in "12"
    ]
    first, second = [run.communicate()[0] for run in runs]
    assert "15 histories" in first
    assert first == second
