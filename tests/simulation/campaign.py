"""Many histories, one seed after another, and what all of them saw together.

Hosts of made-up worlds say nothing: a history that breaks a promise is replayed by its seed. Called by `__main__` and the tests.
"""

import logging
import sys
from collections import Counter
from hashlib import blake2b

import structlog

from tests.simulation.history import Outcome, run_history


class Campaign:
    """The histories from one seed on."""

    def __init__(self, first_seed: int) -> None:
        self.histories = 0
        self.broken = 0
        #: What happened how often in all of them.
        self.seen: Counter[str] = Counter()
        self._first_seed = first_seed
        self._seconds = 0.0
        self._digest = blake2b(digest_size=8)

    def run_next(self) -> Outcome:
        """Run one more history."""
        outcome = run_history(self._first_seed + self.histories)
        self.histories += 1
        self.broken += bool(outcome.offences)
        self.seen += outcome.seen
        self._seconds += outcome.seconds
        self._digest.update(outcome.digest.encode())
        return outcome

    @property
    def hours(self) -> float:
        """How long all of it took in virtual time."""
        return self._seconds / 3600

    @property
    def digest(self) -> str:
        """The same for the same seeds and the same code, on any machine."""
        return self._digest.hexdigest()


def quiet() -> None:
    """Let hosts say nothing until structlog is configured anew."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False)


def replay_command(seed: int) -> str:
    """Return what a person types to see one history again."""
    return f"python -P -m tests.simulation --seed {seed} --count 1"


def tell(*lines: str) -> None:
    """Write lines for whoever waits at the terminal, what belongs to the first one below it."""
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()
