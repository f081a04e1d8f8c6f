"""Which faults a soak does and when: a pure function of the seed, so that a run can be repeated. `strike` carries them out.

Kills are spread evenly over the run with a random shift each, and so are freezes and broken links; they may overlap.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

ROLES: Final = ("host", "gateway", "nats", "postgres")
KILL: Final = "kill"
FREEZE: Final = "freeze"
EVERYTHING: Final = "everything"
#: What a link can suffer: slow, ended and refused, one-way, silent.
DELAY: Final = "delay"
CUT: Final = "cut"
HALF_OPEN: Final = "half-open"
SILENCE: Final = "silence"
LINK_FAULTS: Final = (DELAY, CUT, HALF_OPEN, SILENCE)
LINKED_ROLES: Final = ("host", "gateway")
SERVERS: Final = ("nats", "postgres")

FIRST_SECONDS: Final = 2.0
#: A kill for this many seconds of a run, unless it is told how many; for each kill, this share of other faults.
SECONDS_PER_KILL: Final = 9.0
FREEZES_PER_KILL: Final = 0.4
LINK_FAULTS_PER_KILL: Final = 0.8
#: Everything is killed once in this time, and at least once.
SECONDS_PER_EVERYTHING: Final = 150.0
_LENGTHS: Final = {FREEZE: (1.0, 4.0), DELAY: (1.0, 5.0), CUT: (0.2, 3.0), HALF_OPEN: (1.0, 6.0), SILENCE: (1.0, 6.0)}


class Blow(NamedTuple):
    """One fault: when (seconds into the run), what, whom (`which` modulo the number of that role), how long, which link."""

    at_seconds: float
    kind: str
    role: str = ""
    which: int = 0
    seconds: float = 0.0
    server: str = ""

    @property
    def name(self) -> str:
        """What the report counts it as."""
        return " ".join(filter(None, (self.kind, self.role, self.server and f"to {self.server}")))


def schedule(seed: int, seconds: float, kills: int | None = None) -> list[Blow]:
    """Draw the faults of a run of this length."""
    draw = random.Random(f"nemeses {seed}")
    wanted = max(1, round(seconds / SECONDS_PER_KILL)) if kills is None else kills
    blows = [
        *_spread(draw, seconds, wanted, [(KILL, role, "") for role in ROLES]),
        *_spread(draw, seconds, round(wanted * FREEZES_PER_KILL), [(FREEZE, role, "") for role in ROLES]),
        *_spread(
            draw,
            seconds,
            round(wanted * LINK_FAULTS_PER_KILL),
            [(kind, role, server) for kind in LINK_FAULTS for role in LINKED_ROLES for server in SERVERS],
        ),
        *_spread(draw, seconds, max(1, round(seconds / SECONDS_PER_EVERYTHING)), [(EVERYTHING, "", "")]),
    ]
    return sorted(blows)


def _spread(draw: random.Random, seconds: float, count: int, deck: Sequence[tuple[str, str, str]]) -> Iterator[Blow]:
    """One fault in each of `count` equal parts of the run; the deck is shuffled again whenever it is used up."""
    part = (seconds - FIRST_SECONDS) / max(count, 1)
    left: list[tuple[str, str, str]] = []
    for number in range(count):
        if not left:
            left = draw.sample(deck, len(deck))
        kind, role, server = left.pop()
        at = FIRST_SECONDS + (number + draw.random()) * part
        length = draw.uniform(*_LENGTHS[kind]) if kind in _LENGTHS else 0.0
        yield Blow(at, kind, role, draw.randrange(1000), length, server)
