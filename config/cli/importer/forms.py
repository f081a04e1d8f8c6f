"""Which column of which file is which field of which collection. One obvious place for a new column.

Reference columns name other items; they are resolved after all rows are read (see references).
"""

from typing import Final, NamedTuple

from config.cli.importer import cells
from config.cli.importer.cells import Kind


class Column(NamedTuple):
    """One column: the field it becomes, its kind, and the collection that it names items of, if any."""

    name: str
    field: str
    kind: Kind
    refers_to: str = ""


class Form(NamedTuple):
    """One file."""

    collection: str
    columns: tuple[Column, ...]


FORMS: Final[dict[str, Form]] = {
    "vendors.csv": Form(
        "vendors",
        (
            Column("name", "name", cells.text),
            Column("category", "category", cells.text),
            Column("email", "email", cells.text),
            Column("phone", "phone", cells.text),
            Column("contract_start", "contractStart", cells.local_time),
            Column("contract_end", "contractEnd", cells.local_time),
            Column("overtime_per_hour", "overtimePerHour", cells.price),
            Column("currency", "currency", cells.currency),
            Column("backup_contact", "backupContact", cells.text),
            Column("notes", "notes", cells.text),
        ),
    ),
    "timeline.csv": Form(
        "timeline",
        (
            Column("title", "title", cells.text),
            Column("start", "start", cells.local_time),
            Column("duration_min", "durationMin", cells.whole),
            Column("min_duration_min", "minDurationMin", cells.whole),
            Column("buffer_after_min", "bufferAfterMin", cells.whole),
            Column("anchored", "anchored", cells.flag),
            Column("depends_on", "dependsOn", cells.entries, "timeline"),
            Column("vendors", "vendors", cells.entries, "vendors"),
            Column("resource", "resource", cells.text),
            Column("visibility", "visibility", cells.text),
            Column("may_start_early", "mayStartEarly", cells.flag),
            Column("notes", "notes", cells.text),
        ),
    ),
    "guests.csv": Form(
        "guests",
        (
            Column("first_name", "firstName", cells.text),
            Column("last_name", "lastName", cells.text),
            Column("household", "household", cells.text),
            Column("side", "side", cells.text),
            Column("email", "email", cells.text),
            Column("phone", "phone", cells.text),
            Column("child", "child", cells.flag),
            Column("rsvp", "rsvp", cells.text),
            Column("meal", "meal", cells.text),
            Column("diet", "diet", cells.label_or_labels),
            Column("plus_one", "plusOne", cells.text),
            Column("needs", "needs", cells.entries),
            Column("sit_with", "sitWith", cells.entries, "guests"),
            Column("keep_apart", "keepApart", cells.entries, "guests"),
            Column("table", "table", cells.text, "tables"),
            Column("notes", "notes", cells.text),
        ),
    ),
    "tables.csv": Form(
        "tables",
        (
            Column("name", "name", cells.text),
            Column("capacity", "capacity", cells.whole),
            Column("shape", "shape", cells.text),
            Column("near_exit", "nearExit", cells.flag),
            Column("wheelchair_access", "wheelchairAccess", cells.flag),
            Column("x", "x", cells.whole),
            Column("y", "y", cells.whole),
        ),
    ),
    "budget.csv": Form(
        "budget",
        (
            Column("category", "category", cells.text),
            Column("item", "item", cells.text),
            Column("vendor", "vendor", cells.text, "vendors"),
            Column("estimate", "estimate", cells.amount),
            Column("actual", "actual", cells.amount),
            Column("currency", "currency", cells.currency),
            Column("deposit", "deposit", cells.price),
            Column("deposit_due_days_before", "depositDueDaysBefore", cells.whole),
            Column("balance_due_days_before", "balanceDueDaysBefore", cells.whole),
            Column("approval_needed_above", "approvalNeededAbove", cells.price),
            Column("payer", "payer", cells.text, "people"),
            Column("notes", "notes", cells.text),
        ),
    ),
}
