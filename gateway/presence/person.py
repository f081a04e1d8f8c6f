"""One picture of a person from all of the person's connections, whatever gateways they are at: pure.

Who is somewhere awake is `online`; `busy` and `offline` are said by the person and hold on every device until it says another
status anywhere. Where the person is, is what was said last. Used by `people`.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Final, TypeVar

from actors.contract.events import instant_of
from actors.contract.presence import PresenceRecord
from gateway.presence.fields import Presence

_Key = TypeVar("_Key", bound=tuple[Any, ...])
#: Statuses about the person; `away` is about a device.
_CHOICES: Final = ("online", "busy", "offline")


def latest(records: Mapping[_Key, PresenceRecord]) -> _Key:
    """The connection that spoke last; one that has said nothing yet counts by when it was used."""
    if len(records) == 1:
        return next(iter(records))
    return max(records, key=lambda key: (records[key].updated_ms, records[key].active_ms, key))


def merged(records: Mapping[Any, PresenceRecord]) -> Presence:
    """What a person with these connections (at least one) shows to who may read everything.

    Who chose `offline` looks like somebody who left when it was chosen: no place, no words, no devices.
    """
    if len(records) == 1:
        (only,) = records.values()
        if only.presence.get("status") in (None, "online") and not only.is_idle:
            # Most people most of the time; it gives what the lines below would.
            active = instant_of(max(only.active_ms, only.updated_ms))
            return {**only.presence, "status": "online", "devices": 1, "lastActivity": active}
    status, chosen_ms = _status(records)
    if status == "offline":
        return {"status": status, "lastActivity": instant_of(chosen_ms)}
    place = records[latest(records)]
    active_ms = max(max(each.active_ms, each.updated_ms) for each in records.values())
    shown = {**place.presence, "status": status, "devices": len(records), "lastActivity": instant_of(active_ms)}
    if place.is_idle:
        shown.pop("typing", None)
    return shown


def _status(records: Mapping[Hashable, PresenceRecord]) -> tuple[str, int]:
    """The status, and since when it was chosen, which matters for a choice alone."""
    chosen, chosen_ms = "", -1
    is_awake = False
    for record in records.values():
        said = record.presence.get("status")
        if said in _CHOICES and record.chosen_ms > chosen_ms:
            chosen, chosen_ms = str(said), record.chosen_ms
        is_awake = is_awake or not (record.is_idle or said == "away")
    if chosen in ("busy", "offline"):
        return chosen, chosen_ms
    return ("online" if is_awake else "away"), chosen_ms
