"""What one op costs in the fold, stage by stage: a one-field update in a wedding of 300 items. Pure calculation, no servers.

Run with `python -P -m bench.fold [OPS]`; prints microseconds per op. The stages are those of a host's hot path: decode, decide,
evolve, then the envelope with its encoded event.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter

import msgspec

from actors.contract.decisions import Decision
from actors.contract.envelopes import Envelope, envelope_of
from actors.contract.ops import LogEntry, Op, Target
from actors.domain.decide import Meta, decide
from actors.domain.evolve import evolve
from actors.domain.rules import NEWEST
from actors.domain.state import ActorState, new_state

WEDDING = "fold-bench"
CLIENT = "20270619-bench"
START_MS = 1_813_363_200_000
ITEMS = 300

_ITEM = {
    "title": "First look",
    "start": "2027-06-19T10:45:00Z",
    "durationMin": 30,
    "minDurationMin": 20,
    "bufferAfterMin": 5,
    "anchored": False,
    "dependsOn": ["hair-makeup", "getting-ready-photos"],
    "vendors": ["lux", "film"],
    "resource": "garden",
    "visibility": "team",
    "mayStartEarly": False,
}


def entry_of(number: int, action: str, target: Target, data: dict[str, object], base: dict[str, int]) -> LogEntry:
    """Make one numbered op of the bench's only client."""
    op = Op("timeline_update", action, target, f"{CLIENT}:{number}", data, base)
    return LogEntry(op, "websocket", "bench/1")


def fill(state: ActorState) -> int:
    """Create the wedding and its items; returns the last number used."""
    wedding = {"title": "Bench", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF", "role": "couple"}
    entries = [entry_of(1, "insert", Target("wedding", WEDDING), dict(wedding), {})]
    entries += [
        entry_of(number, "insert", Target("timeline", f"item-{number}"), dict(_ITEM), {}) for number in range(2, ITEMS + 2)
    ]
    for number, entry in enumerate(entries, start=1):
        decision = decide(state, entry, Meta(WEDDING, "amara", number, START_MS, NEWEST))
        assert isinstance(decision, Decision)
        evolve(state, decision)
    return len(entries)


def run(ops: int) -> dict[str, float]:
    """Fold that many updates; returns microseconds per op by stage."""
    state = new_state(WEDDING)
    first = fill(state) + 1
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(LogEntry).decode
    encode_envelope: Callable[[Envelope], bytes] = msgspec.json.Encoder().encode
    messages = [
        encode(
            entry_of(
                n, "update", Target("timeline", f"item-{2 + n % ITEMS}"), {"title": f"First look {n}"}, {"timeline.team": ITEMS}
            )
        )
        for n in range(first, first + ops)
    ]
    spent = dict.fromkeys(("decode", "decide", "evolve", "envelope", "encode"), 0.0)
    for number, message in enumerate(messages, start=first):
        marks = [perf_counter()]
        entry = decode(message)
        marks.append(perf_counter())
        decision = decide(state, entry, Meta(WEDDING, "amara", number, START_MS + number, NEWEST))
        marks.append(perf_counter())
        assert isinstance(decision, Decision)
        evolve(state, decision)
        marks.append(perf_counter())
        envelope = envelope_of(decision, WEDDING, 1, state.acl)
        marks.append(perf_counter())
        encode_envelope(envelope)
        marks.append(perf_counter())
        for stage, (begin, end) in zip(spent, pairwise(marks), strict=True):
            spent[stage] += end - begin
    return {stage: seconds / ops * 1e6 for stage, seconds in spent.items()}


def main() -> None:
    """Print the table."""
    microseconds = run(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    for stage, cost in microseconds.items():
        print(f"{stage:<10} {cost:8.2f} us/op")
    print(f"{'all':<10} {sum(microseconds.values()):8.2f} us/op")


if __name__ == "__main__":
    main()
