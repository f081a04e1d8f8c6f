"""Decisions to store, with full defaults; what they say does not matter to the store."""

from typing import Any

from actors.contract.changes import Change
from actors.contract.decisions import Decision, Part

CLIENT = "20270101-abcd"
START_MS = 1_800_000_000_000


def decision(rev: int, **fields: Any) -> Decision:
    """The decision `rev` of a wedding, one second after the one before, at the log position of the same number."""
    values: dict[str, Any] = {
        "rev": rev, "position": rev, "op": f"{CLIENT}:{rev}", "principal": "ann", "client": CLIENT, "number": rev,
        "now_ms": START_MS + rev * 1000, "type": "timeline_update", "action": "update", "source": "websocket",
        "client_version": "", "refusal": None, "parts": (part(rev),),
    }  # fmt: skip  # a table reads better
    return Decision(**(values | fields))


def part(sequence: int, channel: str = "timeline.team") -> Part:
    change = Change("timeline", "first-look", set={"title": f"First look {sequence}", "note": None, "minutes": 15, "tags": ["a"]})
    return Part(channel, sequence, (change,), {f"ann/{CLIENT}": sequence}, "after")


def decisions(first: int, last: int, **fields: Any) -> list[Decision]:
    return [decision(rev, **fields) for rev in range(first, last + 1)]
