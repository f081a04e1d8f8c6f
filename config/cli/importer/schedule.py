"""What is wrong with the plan of the day itself: work outside a vendor's contract, and two items in one place at one time.

Nothing is changed here: the plan is imported as it is. Intervals are half-open, so that one item may begin when another ends; the
turnaround after an item does not count, and vendors are teams that may work in parallel.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from config.cli.importer.items import Items
from config.cli.importer.problems import Problem


class Slot(NamedTuple):
    """When an item takes place, [start, end)."""

    item: str
    start: datetime
    end: datetime


def plan_problems(timeline: Items, vendors: Items, zone: ZoneInfo) -> Iterator[Problem]:
    """Yield what is outside contract hours, then what overlaps; items without a start or a duration take no time."""
    slots = {identifier: slot for identifier, fields in timeline.items() if (slot := _slot(identifier, fields)) is not None}
    for identifier, slot in slots.items():
        for vendor in timeline[identifier].get("vendors", []):
            yield from _outside_hours(slot, vendor, vendors[vendor], zone)
    yield from _overlaps(timeline, slots, zone)


def _slot(identifier: str, fields: dict[str, Any]) -> Slot | None:
    if "start" not in fields:
        return None
    start = datetime.fromisoformat(fields["start"])
    return Slot(identifier, start, start + timedelta(minutes=fields.get("durationMin", 0)))


def _outside_hours(slot: Slot, vendor: str, contract: dict[str, Any], zone: ZoneInfo) -> Iterator[Problem]:
    begins, ends = (datetime.fromisoformat(contract[field]) if field in contract else None for field in _HOURS)
    if (begins is None or slot.start >= begins) and (ends is None or slot.end <= ends):
        return
    hours = f"{_clock(begins, zone)} to {_clock(ends, zone)}"
    taken = f"{_clock(slot.start, zone)} to {_clock(slot.end, zone)}"
    yield Problem("outside_contract_hours", slot.item, vendor, f"{slot.item} is from {taken}, {vendor} is booked from {hours}.")


def _overlaps(timeline: Items, slots: dict[str, Slot], zone: ZoneInfo) -> Iterator[Problem]:
    places: dict[str, list[Slot]] = defaultdict(list)
    for identifier, slot in slots.items():
        if resource := timeline[identifier].get("resource"):
            places[resource].append(slot)
    for resource, taken in places.items():
        for first, second in combinations(sorted(taken, key=lambda slot: slot.start), 2):
            begins, ends = max(first.start, second.start), min(first.end, second.end)
            if begins < ends:
                when = f"from {_clock(begins, zone)} to {_clock(ends, zone)}"
                sentence = f"{first.item} and {second.item} are both in {resource} {when}."
                yield Problem("overlap", first.item, second.item, sentence)


_HOURS = ("contractStart", "contractEnd")


def _clock(instant: datetime | None, zone: ZoneInfo) -> str:
    return "any time" if instant is None else f"{instant.astimezone(zone):%H:%M}"
