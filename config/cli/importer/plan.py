"""What a folder wants a wedding to be, and the ops that make it so.

`plan_of` is the whole reading of a folder; `ops_toward` compares with what is there and names only what differs. It never
deletes, and clears a field only where the folder has its column with an empty cell.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from actors.contract.changes import ChannelItems
from actors.contract.collections import COLLECTIONS
from actors.contract.ops import Op, Target
from config.cli.importer.folder import TABLE_FILES, read_folder
from config.cli.importer.forms import FORMS
from config.cli.importer.items import Items, read_items
from config.cli.importer.problems import Problem
from config.cli.importer.references import drop_broken_references, drop_circles
from config.cli.importer.schedule import plan_problems
from config.cli.importer.wedding import add_vendors, read_extras, read_home, read_people

#: People first, so that everybody who reads along sees the rest arrive.
ORDER: Final = ("people", "vendors", "timeline", "guests", "tables", "budget")


class WeddingPlan(NamedTuple):
    """A folder, read: the wedding's fields, all items by collection, and what was found wrong.

    `fields_named` holds, by collection, the fields for which the folder has a column. `rows` counts the data rows of all files
    and the people, those left out included.
    """

    wedding: str
    fields: dict[str, Any]
    items: dict[str, Items]
    fields_named: dict[str, frozenset[str]]
    problems: list[Problem]
    rows: int


def plan_of(path: Path) -> WeddingPlan:
    """Read a wedding folder; raises FolderUnreadable."""
    folder = read_folder(path)
    home, fields = read_home(folder.wedding)
    problems: list[Problem] = []
    fields = fields | read_extras(folder.wedding, home.wedding, problems)
    people, named = read_people(folder.wedding, home.wedding, problems)
    items = {FORMS[file].collection: read_items(folder, file, home, problems) for file in TABLE_FILES}
    add_vendors(people, items["vendors"], home.wedding, problems)
    items["people"] = people
    for file in TABLE_FILES:
        drop_broken_references(file, items, problems)
    drop_circles(items["timeline"], problems)
    problems.extend(plan_problems(items["timeline"], items["vendors"], home.zone))
    fields_named = {
        FORMS[file].collection: frozenset(column.field for column in FORMS[file].columns if column.name in folder.columns[file])
        for file in TABLE_FILES
    }
    rows = sum(len(rows) for rows in folder.rows.values()) + named
    return WeddingPlan(home.wedding, fields, items, fields_named, problems, rows)


def ops_toward(plan: WeddingPlan, present: ChannelItems) -> Iterator[Op]:
    """Yield the ops, without ids, that bring an existing wedding from `present` (items by collection) to the plan."""
    yield from _op("wedding", plan.wedding, plan.fields, present.get("wedding", {}).get(plan.wedding), frozenset())
    for collection in ORDER:
        there, named = present.get(collection, {}), plan.fields_named.get(collection, frozenset())
        for identifier, fields in plan.items[collection].items():
            yield from _op(collection, identifier, fields, there.get(identifier), named)


def _op(
    collection: str, identifier: str, wanted: dict[str, Any], there: dict[str, Any] | None, named: frozenset[str]
) -> Iterator[Op]:
    op_type, target = COLLECTIONS[collection].type, Target(collection, identifier)
    if there is None:
        yield Op(op_type, "insert", target, data=wanted)
        return
    different = {field: value for field, value in wanted.items() if there.get(field) != value}
    cleared = {field: None for field in sorted(named) if field in there and field not in wanted}
    if different or cleared:
        yield Op(op_type, "update", target, data=different | cleared)
