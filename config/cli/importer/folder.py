"""The files of a wedding folder as text: wedding.json and the csv files, whatever spreadsheet wrote them.

A byte order mark, CRLF, quoted commas and blank lines are taken as they come. Values are judged elsewhere; here only what makes a
file unreadable is an error.
"""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from config.cli.importer.problems import FolderUnreadable

WEDDING_FILE: Final = "wedding.json"
#: In the order in which their items are written.
TABLE_FILES: Final = ("vendors.csv", "timeline.csv", "guests.csv", "tables.csv", "budget.csv")


class Row(NamedTuple):
    """One data row: where it stands, its cells by column without spaces around, and whether it has more cells than columns."""

    file: str
    line: int
    cells: dict[str, str]
    has_surplus: bool


class Folder(NamedTuple):
    """A wedding folder; `columns` and `rows` by file name, a missing file has none."""

    wedding: dict[str, Any]
    columns: dict[str, tuple[str, ...]]
    rows: dict[str, list[Row]]


def read_folder(path: Path) -> Folder:
    """Read all files; raises FolderUnreadable. Only wedding.json must be there."""
    if not path.is_dir():
        raise FolderUnreadable(f"{path} is no folder")
    wedding = _read_wedding(path / WEDDING_FILE)
    tables = {name: _read_table(path / name) for name in TABLE_FILES}
    columns = {name: table[0] for name, table in tables.items()}
    return Folder(wedding, columns, {name: table[1] for name, table in tables.items()})


def _read_wedding(path: Path) -> dict[str, Any]:
    try:
        # Decimal keeps coordinates and rates exactly as they were written.
        content = json.loads(_text(path), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise FolderUnreadable(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise FolderUnreadable(f"{path.name} holds no object")
    return content


def _read_table(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    if not path.exists():
        return (), []
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise FolderUnreadable(f"{path.name}, line {reader.line_num}: {error}") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        return (), []
    columns = tuple(cell.lower() for cell in lines[0][1])
    if "id" not in columns:
        raise FolderUnreadable(f"{path.name} has no column `id` (columns are separated by commas)")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise FolderUnreadable(f"{path.name} has the column {twice[0]!r} twice")
    return columns, [_row(path.name, number, columns, cells) for number, cells in lines[1:]]


def _row(file: str, line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    padded = cells + [""] * (len(columns) - len(cells))
    return Row(file, line, dict(zip(columns, padded, strict=False)), any(cells[len(columns) :]))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FolderUnreadable(f"{path.name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FolderUnreadable(f"{path.name} is not UTF-8 (byte {error.start})") from error
