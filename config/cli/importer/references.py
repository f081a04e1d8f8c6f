"""References between items: those to what is not there are dropped, and so is each dependency that would close a circle.

The items are kept. Changes them in place and adds to `problems`.
"""

from config.cli.importer.forms import FORMS, Column
from config.cli.importer.items import Items
from config.cli.importer.problems import Problem

#: The payer that means both partners, and is nobody's id.
_BOTH_PARTNERS = "couple"


def drop_broken_references(file: str, items: Items, known: dict[str, Items], problems: list[Problem]) -> None:
    """Drop every reference to an item that is not in `known` (items by collection), or to the item itself."""
    for column in FORMS[file].columns:
        if not column.refers_to:
            continue
        for identifier, fields in items.items():
            named = fields.get(column.field, [])
            entries = list(dict.fromkeys([named] if isinstance(named, str) else named))
            good = [entry for entry in entries if _is_known(column, identifier, entry, known)]
            for entry in entries:
                if entry not in good:
                    problems.append(_broken(file, column, identifier, entry))
            _put_back(fields, column, good)


def _is_known(column: Column, identifier: str, entry: str, known: dict[str, Items]) -> bool:
    if column.field == "payer" and entry == _BOTH_PARTNERS:
        return True
    if column.field == "dependsOn" and entry == identifier:
        # The shortest circle, which is reported as one.
        return True
    points_at_itself = column.kind is not None and entry == identifier and column.refers_to == _own_collection(column)
    return entry in known[column.refers_to] and not points_at_itself
