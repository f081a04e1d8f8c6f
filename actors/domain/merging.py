"""Merging two changes of one value: sets by what was added and taken away, counters by difference, maps key by key. Pure.

`base` is the value from which the later author began, `now` what stands there, `said` what the author wants; None is no value.
The result is the same in whatever order the changes of several authors come, keys of maps apart that two of them changed to
different values. Called by `strategies`.
"""

from typing import Any, Final

#: There is no telling from which value the author began.
UNKNOWN: Final = object()


def merge(base: Any, now: Any, said: Any, *, second_wins: bool) -> tuple[bool, Any]:
    """Return whether the values can be merged, and the result; `second_wins` decides where both changed one key of a map."""
    kinds = {type(value) for value in (base, now, said) if value is not None and value is not UNKNOWN}
    if kinds == {list}:
        return True, _merge_sets(base, now, said) or None
    if base is UNKNOWN:
        return False, None
    if kinds == {int}:
        return True, (now or 0) + (said or 0) - (base or 0)
    if kinds == {dict}:
        return True, _merge_maps(base or {}, now or {}, said or {}, second_wins=second_wins) or None
    return False, None


def _merge_sets(base: Any, now: Any, said: Any) -> list[Any]:
    """Keep what nobody took away, in its old order, then everything that was added, sorted; who began unknown only adds."""
    began, stands, wanted = ([] if value is None else value for value in (now if base is UNKNOWN else base, now, said))
    kept = [entry for entry in dict.fromkeys(began) if entry in stands and (entry in wanted or base is UNKNOWN)]
    return [*kept, *sorted({*stands, *wanted}.difference(began))]


def _merge_maps(base: dict[str, Any], now: dict[str, Any], said: dict[str, Any], *, second_wins: bool) -> dict[str, Any]:
    merged = dict(now)
    for key in sorted(base.keys() | said.keys()):
        if said.get(key) == base.get(key) or (now.get(key) != base.get(key) and not second_wins):
            continue
        if key in said:
            merged[key] = said[key]
        else:
            merged.pop(key, None)
    return merged
