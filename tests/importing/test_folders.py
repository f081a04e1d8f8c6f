"""Files as spreadsheets write them, and folders that cannot be read."""

from pathlib import Path
from typing import Any

import pytest

from config.cli.importer.plan import plan_of
from config.cli.importer.problems import FolderUnreadable, Problem
from tests.importing.folders import TABLES, found, plan, write_folder


def test_the_small_wedding_is_good(tmp_path: Path) -> None:
    """The folder that these tests change has no problem of its own."""
    read = plan(tmp_path)
    assert found(read) == []
    assert read.rows == 11


@pytest.mark.parametrize(
    "written",
    [
        TABLES["guests.csv"].replace("\n", "\r\n").encode(),
        TABLES["guests.csv"].replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + TABLES["guests.csv"].encode(),
        TABLES["guests.csv"].replace("\n", "\n\n , ,,,,\n").encode(),
        TABLES["guests.csv"].replace("\ng1", "\n\ng1").rstrip("\n").encode(),
        TABLES["guests.csv"].replace(",", " , ").replace("|", " | ").replace("exit", "exit|").replace("id ", "ID ").encode(),
    ],
    ids=["CRLF", "CR", "byte order mark", "blank lines", "no end of line", "spaces and capitals"],
)
def test_a_file_may_come_from_any_spreadsheet(tmp_path: Path, written: bytes) -> None:
    """Line ends, marks, blank lines, spaces around cells and capitals in the header do not matter."""
    expected = plan(tmp_path).items["guests"]
    read = plan(tmp_path, guests=written)
    assert read.items["guests"] == expected
    assert (found(read), read.rows) == ([], 11)


def test_quoted_cells_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    """A cell is what stands between its quotes; later problems still name the right line."""
    text = 'id,name,capacity\nt1,"The ""long"" table, by\nthe door",8\nt2,Aare,many\n'
    read = plan(tmp_path, tables=text)
    assert read.items["tables"]["t1"]["name"] == 'The "long" table, by\nthe door'
    assert "line 4" in read.problems[0].sentence


def test_columns_may_be_missing_more_or_elsewhere(tmp_path: Path) -> None:
    """Only `id` must be there; unknown columns are passed over, short rows have empty cells."""
    read = plan(tmp_path, guests="colour,first_name,id,sit_with\nred,Awa,g1\n")
    assert read.items["guests"] == {"g1": {"firstName": "Awa"}}
    assert found(read) == []


def test_files_may_be_missing_or_empty(tmp_path: Path) -> None:
    """A wedding without guests is a wedding."""
    read = plan(tmp_path, vendors="", timeline="id,title\n", guests=None, tables=None, budget=None)
    assert (read.rows, found(read)) == (2, [])


def test_a_wedding_of_nothing_but_its_own_file(tmp_path: Path) -> None:
    """wedding.json alone is enough, even without people."""
    tables = dict.fromkeys(("vendors", "timeline", "guests", "tables", "budget"))
    assert plan(tmp_path, {"people": []}, **tables).rows == 0


_UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"wedding": "{"}, "wedding.json is not JSON"),
    "JSON without end": ({"wedding": "[" * 100_000}, "wedding.json is not JSON"),
    "no object": ({"wedding": "[]"}, "no object"),
    "no id": ({"wedding": {"id": None}}, "is not an id"),
    "an id of two words": ({"wedding": {"id": "two words"}}, "is not an id"),
    "no title": ({"wedding": {"title": None}}, "wedding.title"),
    "a day that never was": ({"wedding": {"date": "2027-02-30"}}, "wedding.date"),
    "no zone": ({"wedding": {"timeZone": "CET/Lakeside"}}, "no time zone"),
    "a zone that is a path": ({"wedding": {"timeZone": "../../etc/passwd"}}, "wedding.timeZone"),
    "no currency": ({"wedding": {"homeCurrency": "XYZ"}}, "no currency"),
    "people that are no list": ({"wedding": {"people": {"amara": "couple"}}}, "no list"),
    "a table without id": ({"guests": "name;first_name\nx;y\n"}, "no column `id`"),
    "a column twice": ({"guests": "id,first_name,id\n"}, "'id' twice"),
    "a quote that does not end": ({"guests": 'id,first_name\ng1,"Awa\n'}, "guests.csv"),
    "bytes that are no text": ({"guests": b"id,first_name\ng1,\xff\n"}, "not UTF-8"),
}


@pytest.mark.parametrize(("changes", "reason"), _UNREADABLE.values(), ids=list(_UNREADABLE))
def test_a_folder_that_cannot_be_read_says_why(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """The reason names the file, and the exit code is 2."""
    write_folder(tmp_path, **changes)
    with pytest.raises(FolderUnreadable, match=reason) as caught:
        plan_of(tmp_path)
    assert caught.value.exit_code == 2


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Neither a missing folder nor a missing wedding.json is a wedding."""
    with pytest.raises(FolderUnreadable, match="no folder"):
        plan_of(tmp_path / "gone")
    with pytest.raises(FolderUnreadable, match=r"wedding\.json: No such file"):
        plan_of(tmp_path)


def test_a_problem_is_one_line() -> None:
    """`problem <kind> <item> <other>: sentence`, whatever the file says."""
    line = Problem("broken_reference", "g1", "the\nbest man", "one\ntwo").line()
    assert line == "problem broken_reference g1 the_best_man: one two"
    assert Problem("bad_value", "g1", "-", "Bad.").line() == "problem bad_value g1 -: Bad."
