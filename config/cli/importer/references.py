"""References between items: those to what is not there are dropped, and so is each dependency that would close a circle.

The items are kept. Changes them in place and adds to `problems`.
"""

from typing import Any

from config.cli.importer.forms import FORMS, Column
from config.cli.importer.items import Items, show
from config.cli.importer.problems import Problem

#: The payer that means both partners, and is nobody's id.
_BOTH_PARTNERS = "couple"


def drop_broken_references(file: str, known: dict[str, Items], problems: list[Problem]) -> None:
    """Drop every reference of a file's items to an item that is not in `known` (items by collection)."""
    form = FORMS[file]
    for column in form.columns:
        if column.refers_to:
            for identifier, fields in known[form.collection].items():
                _keep_known(file, column, identifier, fields, known, problems)


def _keep_known(
    file: str, column: Column, identifier: str, fields: dict[str, Any], known: dict[str, Items], problems: list[Problem]
) -> None:
    written = fields.get(column.field)
    if written is None:
        return
    entries = [written] if isinstance(written, str) else list(dict.fromkeys(written))
    good = [
        entry for entry in entries if entry in known[column.refers_to] or (column.field == "payer" and entry == _BOTH_PARTNERS)
    ]
    for entry in entries:
        if entry not in good:
            sentence = (
                f"{file}: {column.name} of {identifier} names {show(entry)}, which is not there; this reference is left out."
            )
            problems.append(Problem("broken_reference", identifier, entry, sentence))
    if not good:
        del fields[column.field]
    elif not isinstance(written, str):
        fields[column.field] = good


def drop_circles(timeline: Items, problems: list[Problem]) -> None:
    """Drop each dependency, in the order of the file, that closes a circle with those before it."""
    kept: dict[str, list[str]] = {identifier: [] for identifier in timeline}
    for identifier, fields in timeline.items():
        for entry in fields.get("dependsOn", []):
            path = _path(kept, entry, identifier)
            if path is None:
                kept[identifier].append(entry)
                continue
            circle = " -> ".join([identifier, *path])
            sentence = f"timeline.csv: {circle} is a circle; that {identifier} depends on {entry} is left out."
            problems.append(Problem("cycle", identifier, entry, sentence))
    for identifier, entries in kept.items():
        if entries:
            timeline[identifier]["dependsOn"] = entries
        else:
            timeline[identifier].pop("dependsOn", None)


def _path(edges: dict[str, list[str]], start: str, goal: str) -> list[str] | None:
    """Return the way from `start` to `goal` along the dependencies, both included, or None."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == goal:
            return way
        for following in edges[way[-1]]:
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None
