"""Rows to items: every cell converted, every item judged by the contract; what does not fit is left out and reported.

References still stand in the items as they were written; `references` resolves them.
"""

from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from actors.contract.collections import COLLECTIONS
from actors.contract.errors import BadOp
from actors.contract.ops import Op, Target, check_op
from config.cli.importer.cells import BadCell, Setting, amount, exponent_of, price
from config.cli.importer.folder import Folder, Row
from config.cli.importer.forms import FORMS, Form
from config.cli.importer.problems import Problem

Items = dict[str, dict[str, Any]]
#: The longest piece of a file's text that a sentence repeats.
_SHOWN: Final = 60
#: An item with money says in which currency, also where its row leaves that to the wedding.
_MONEY: Final = (amount, price)


class Home(NamedTuple):
    """What the rows of a wedding are read with: its id, its zone and its currency."""

    wedding: str
    zone: ZoneInfo
    currency: str


def read_items(folder: Folder, file: str, home: Home, problems: list[Problem]) -> Items:
    """Return the good items of one file by id, in the file's order; adds to `problems` what is left out."""
    items: Items = {}
    for row in folder.rows[file]:
        identifier = row.cells["id"]
        name, place = identifier or f"{row.file}:{row.line}", f"{row.file}, line {row.line}"
        if identifier in items:
            problems.append(
                Problem("duplicate", name, "-", f"{place}: the id {identifier} is used before; this row is left out.")
            )
            continue
        fields, faults = _convert(row, FORMS[file], home)
        if faults:
            problems.append(Problem("bad_value", name, "-", f"{place}: {'; '.join(faults)}; this row is left out."))
        else:
            items[identifier] = fields
    return items


def check_item(collection: str, identifier: str, fields: dict[str, Any], wedding: str) -> str | None:
    """Say what the contract has against an item, None when it is good."""
    op = Op(COLLECTIONS[collection].type, "insert", Target(collection, identifier), data=fields)
    try:
        check_op(op, wedding)
    except BadOp as error:
        return error.message.removesuffix(".")
    return None


def show(text: object) -> str:
    """Quote a piece of the file."""
    words = str(text)
    return repr(words if len(words) <= _SHOWN else words[:_SHOWN] + "…")


def _convert(row: Row, form: Form, home: Home) -> tuple[dict[str, Any], list[str]]:
    """Return a row's fields, and what is wrong with it in the order of the columns."""
    setting = Setting(home.zone, _currency(row, home))
    fields: dict[str, Any] = {}
    faults = ["it has more cells than there are columns"] if row.has_surplus else []
    for column in form.columns:
        cell = row.cells.get(column.name, "")
        try:
            value = column.kind(cell, setting) if cell else None
        except BadCell as error:
            faults.append(f"{column.name} {show(cell)} {error}")
            continue
        if value not in (None, []):
            fields[column.field] = value
    if any(column.kind in _MONEY and column.field in fields for column in form.columns):
        fields.setdefault("currency", setting.currency)
    if not faults:
        references = {column.field for column in form.columns if column.refers_to}
        plain = {field: value for field, value in fields.items() if field not in references}
        fault = check_item(form.collection, row.cells["id"], plain, home.wedding)
        faults += [fault] if fault else _faults_between(fields)
    return fields, faults


def _currency(row: Row, home: Home) -> str:
    """Return the currency in which the row's money is counted; a bad one is reported at its own column."""
    named = row.cells.get("currency", "")
    try:
        exponent_of(named)
    except BadCell:
        return home.currency
    return named


def _faults_between(fields: dict[str, Any]) -> list[str]:
    """Return what is wrong between fields that are each good."""
    start, end = fields.get("contractStart"), fields.get("contractEnd")
    return ["contract_end is not after contract_start"] if start and end and end <= start else []
