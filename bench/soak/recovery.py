"""How long it took until WedSync went on after a death, from a history and the faults that were done. Pure.

A host's death ends for its weddings at the first applied op that was asked after it; a gateway's when those who lost their
connection are up to date again; everything's at the first applied op anywhere.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from actors.contract.ids import partition_of
from actors.runtime.placement import owner_of
from bench.soak import nemeses
from bench.soak.history import Entry
from bench.soak.strike import Struck

#: A connection that ends within this time after a gateway's death was one of that gateway.
_SOON_SECONDS: Final = 0.5
#: A fault still has its effect for this long after it ended.
_AFTERMATH_SECONDS: Final = 3.0
_GOALS: Final = {"host death to first applied op": 2.0, "everything killed to first applied op": 10.0}


class Recovery(NamedTuple):
    """One death: what died, how long it lasted, and whether no other fault was near."""

    what: str
    seconds: float
    alone: bool


def recoveries(history: Sequence[Entry], struck: Sequence[Struck], hosts: Sequence[str], partitions: int) -> list[Recovery]:
    """Measure every death of which the history shows the end."""
    asked = {(each.wedding, each.mark): each.time for each in history if each.kind == "invoke"}
    applied: dict[str, list[tuple[float, float]]] = {}
    for each in history:
        if each.kind == "applied" and (each.wedding, each.mark) in asked:
            applied.setdefault(each.wedding, []).append((asked[each.wedding, each.mark], each.time))
    found = []
    for one in struck:
        for what, ended in _ends(one, history, applied, hosts, partitions):
            found.append(Recovery(what, ended - one.began, _is_alone(one, ended, struck)))
    return found


def _ends(
    one: Struck, history: Sequence[Entry], applied: Mapping[str, list[tuple[float, float]]], hosts: Sequence[str], partitions: int
) -> Iterable[tuple[str, float]]:
    if one.blow.kind == nemeses.EVERYTHING:
        firsts = [first for answers in applied.values() if (first := _first_after(answers, one.began)) is not None]
        if firsts:
            yield "everything killed to READY", one.ended
            yield "everything killed to first applied op", min(firsts)
            yield "everything killed to first applied op of the last wedding", max(firsts)
    elif one.blow.kind == nemeses.KILL and one.blow.role == "host":
        mine = [wedding for wedding in applied if owner_of(partition_of(wedding, partitions), hosts) == one.whom]
        firsts = [first for wedding in mine if (first := _first_after(applied[wedding], one.began)) is not None]
        if firsts:
            yield "host death to first applied op", min(firsts)
        yield from (("host death to first applied op of each of its weddings", first) for first in firsts)
    elif one.blow.kind == nemeses.KILL and one.blow.role == "gateway":
        yield from (("gateway death to each of its clients up to date", back) for back in _returns(history, one.began))


def _first_after(answers: Sequence[tuple[float, float]], instant: float) -> float | None:
    """When the first op that was asked after the instant was applied; `answers` are (asked, applied)."""
    return min((answered for asked, answered in answers if asked > instant), default=None)


def _returns(history: Sequence[Entry], instant: float) -> Iterable[float]:
    """When those came back who lost their connection right after the instant."""
    away: set[tuple[str, str]] = set()
    for each in history[bisect_right(history, instant, key=lambda entry: entry.time) :]:
        key = (each.wedding, each.client)
        if each.kind == "away" and each.time < instant + _SOON_SECONDS:
            away.add(key)
        elif each.kind == "back" and key in away:
            away.discard(key)
            yield each.time
        elif not away and each.time > instant + _SOON_SECONDS:
            return


def _is_alone(one: Struck, ended: float, struck: Sequence[Struck]) -> bool:
    return not any(other is not one and other.began < ended and other.ended + _AFTERMATH_SECONDS > one.began for other in struck)


def told(found: Sequence[Recovery]) -> str:
    """One line for each kind of death, all of them and those without another fault near, against the goal if there is one."""
    lines = []
    for what in dict.fromkeys(each.what for each in found):
        goal = _GOALS.get(what)
        everyone = [each.seconds for each in found if each.what == what]
        undisturbed = [each.seconds for each in found if each.what == what and each.alone]
        for name, times in (("", everyone), (", no other fault near", undisturbed)):
            line = f"{what}{name}: {_percentiles(times)}"
            if goal is not None and times:
                line += f"; goal p99 under {goal:g} s: {'met' if _rank(times, 0.99) < goal else 'MISSED'}"
            lines.append(line)
    return "\n".join(lines) or "recovery: nothing died"


def _percentiles(times: Sequence[float]) -> str:
    if not times:
        return "none"
    return f"p50 {_rank(times, 0.5):.2f} s, p99 {_rank(times, 0.99):.2f} s, max {max(times):.2f} s over {len(times)}"


def _rank(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
