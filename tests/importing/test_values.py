"""Cells and wedding.json: money without floats, local times, booleans, lists, coordinates (rules B1, T13)."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.cli.importer.plan import plan_of
from tests.importing.folders import WEDDING, found, plan, write_folder

TIMELINE = "id,title,start,duration_min\n"
BUDGET = "id,item,estimate,currency\n"


def test_every_field_gets_its_kind(tmp_path: Path) -> None:
    """yes and no become booleans, lists arrays, money minor units, times UTC instants; empty cells become nothing."""
    items = plan(tmp_path).items
    assert items["vendors"]["bloom"] == {
        "name": "Bloom",
        "contractStart": "2027-06-19T06:00:00Z",
        "contractEnd": "2027-06-19T14:00:00Z",
        "overtimePerHour": 9500,
        "currency": "CHF",
    }
    assert items["vendors"]["lux"] == {"name": "Lux"}
    assert items["timeline"]["ceremony"] == {
        "title": "Ceremony",
        "start": "2027-06-19T12:30:00Z",
        "durationMin": 45,
        "dependsOn": ["arch"],
        "vendors": ["lux", "bloom"],
        "resource": "lawn",
        "visibility": "everyone",
        "anchored": True,
    }
    assert items["guests"]["g1"]["needs"] == ["wheelchair", "near exit"]
    assert items["guests"]["g2"] == {"firstName": "Nora", "child": True, "rsvp": "pending", "keepApart": ["g1"]}
    assert items["tables"]["t1"] == {"name": "Aare", "capacity": 8, "nearExit": True, "x": 0, "y": -4}
    assert items["budget"]["b1"]["estimate"] == 145000
    assert items["budget"]["b2"] == {"item": "Hall", "estimate": 980000, "currency": "CHF", "payer": "couple"}


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1450.00", "CHF", 145000),
        ("1450.5", "CHF", 145050),
        ("1450", "CHF", 145000),
        ("0", "CHF", 0),
        ("-20.00", "CHF", -2000),
        ("98000", "JPY", 98000),
        ("12.345", "KWD", 12345),
        ("12.3", "KWD", 12300),
        ("999999999999.99", "EUR", 99999999999999),
        ("7.10", "", 710),
    ],
)
def test_b1_money_is_minor_units_of_its_currency(tmp_path: Path, text: str, currency: str, minor: int) -> None:
    """The exponent is that of ISO 4217, and of the home currency where the row names none."""
    read = plan(tmp_path, budget=f"{BUDGET}b1,Arch,{text},{currency}\n")
    assert read.items["budget"]["b1"]["estimate"] == minor
    assert found(read) == []


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        *(("98000.5", "JPY"), ("98000.0", "JPY"), ("12.3456", "KWD"), ("1.005", "CHF")),
        *((written, "CHF") for written in ("9'800", "1e3", "CHF 5", ".5", "1000000000000000")),
        *(("5", currency) for currency in ("ABC", "chf", "XAU", "euro")),
    ],
)
def test_b1_what_is_no_amount_is_a_bad_value(tmp_path: Path, text: str, currency: str) -> None:
    """Too many decimals, other notations and unknown currencies leave the row out."""
    read = plan(tmp_path, budget=f"{BUDGET}b1,Arch,{text},{currency}\nb2,Hall,5,CHF\n")
    assert found(read) == [("bad_value", "b1", "-")]
    assert list(read.items["budget"]) == ["b2"]


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2027-06-19T14:30", "2027-06-19T12:30:00Z"),
        ("2027-01-19T14:30", "2027-01-19T13:30:00Z"),
        ("2027-06-19 14:30", "2027-06-19T12:30:00Z"),
        ("2027-06-19T14:30:15", "2027-06-19T12:30:15Z"),
        ("2027-10-31T02:30", "2027-10-31T00:30:00Z"),
        ("2027-10-31T03:00", "2027-10-31T02:00:00Z"),
    ],
)
def test_t13_local_times_become_instants(tmp_path: Path, local: str, instant: str) -> None:
    """Summer and winter time each have their offset; an hour that comes twice is taken the first time."""
    assert plan(tmp_path, timeline=f"{TIMELINE}a,A,{local},30\n").items["timeline"]["a"]["start"] == instant


@pytest.mark.parametrize(
    "local",
    ["2027-03-28T02:30", "2027-02-29T10:00", "2027-06-19", "14:30", "2027-06-19T25:00", "19.06.2027 14:30", "2027-06-19T14:30Z"],
)
def test_t13_a_time_that_does_not_exist_is_a_bad_value(tmp_path: Path, local: str) -> None:
    """Neither the hour that the clocks skip, nor what is no time at all."""
    assert found(plan(tmp_path, timeline=f"{TIMELINE}a,A,{local},30\n")) == [("bad_value", "a", "-")]


def test_t13_the_zone_is_that_of_the_wedding(tmp_path: Path) -> None:
    """The same local time is another moment elsewhere."""
    read = plan(tmp_path, {"timeZone": "Pacific/Auckland"}, timeline=f"{TIMELINE}a,A,2027-06-19T14:30,30\n")
    assert read.items["timeline"]["a"]["start"] == "2027-06-19T02:30:00Z"


_BAD_ROWS = {
    "duration as a word": ("timeline", "id,title,duration_min\nx,X,long\n"),
    "duration below zero": ("timeline", "id,title,duration_min\nx,X,-5\n"),
    "duration with decimals": ("timeline", "id,title,duration_min\nx,X,30.5\n"),
    "no title": ("timeline", "id,title,duration_min\nx,,30\n"),
    "unknown visibility": ("timeline", "id,title,visibility\nx,X,vip\n"),
    "neither yes nor no": ("timeline", "id,title,anchored\nx,X,maybe\n"),
    "unknown rsvp": ("guests", "id,first_name,rsvp\nx,X,perhaps\n"),
    "household that is no id": ("guests", "id,first_name,household\nx,X,The Meiers\n"),
    "capacity below zero": ("tables", "id,name,capacity\nx,X,-8\n"),
    "contract that ends before it begins": (
        "vendors",
        "id,name,contract_start,contract_end\nx,X,2027-06-19T16:00,2027-06-19T08:00\n",
    ),
    "overtime below zero": ("vendors", "id,name,overtime_per_hour\nx,X,-1\n"),
    "name too long": ("tables", f"id,name\nx,{'X' * 201}\n"),
    "more cells than columns": ("tables", "id,name\nx,X,8\n"),
}


@pytest.mark.parametrize(("file", "text"), _BAD_ROWS.values(), ids=list(_BAD_ROWS))
def test_a_row_with_a_bad_value_is_left_out(tmp_path: Path, file: str, text: str) -> None:
    """One problem for the row, however much is wrong with it, and the item is not there."""
    files: dict[str, Any] = dict.fromkeys(("vendors", "timeline", "guests", "tables", "budget")) | {file: text}
    read = plan(tmp_path, **files)
    assert found(read) == [("bad_value", "x", "-")]
    assert read.items[file] == {}
    assert "line 2" in read.problems[0].sentence


@pytest.mark.parametrize("identifier", ["G1", "g 1", "g.1", "é", "x" * 65, "*"])
def test_an_id_that_is_none_is_a_bad_value(tmp_path: Path, identifier: str) -> None:
    """Its problem line stays one line of words, whatever stands in the file."""
    read = plan(tmp_path, guests=f"id,first_name\n{identifier},Awa\n")
    assert [kind for kind, _, _ in found(read)] == ["bad_value"]
    assert len(read.problems[0].line().partition(":")[0].split(" ")) == 4


def test_a_row_without_an_id_is_named_by_its_line(tmp_path: Path) -> None:
    """There is something to look for in the file."""
    assert found(plan(tmp_path, guests="id,first_name\n,Awa\n")) == [("bad_value", "guests.csv:2", "-")]


def test_the_second_row_of_an_id_is_left_out(tmp_path: Path) -> None:
    """The first one stays; the same id in another file is another item."""
    read = plan(tmp_path, guests="id,first_name\nt1,Awa\nt1,Nora\nt1,Rita\n")
    assert found(read) == [("duplicate", "t1", "-")] * 2
    assert read.items["guests"] == {"t1": {"firstName": "Awa"}}


def test_a_good_row_may_follow_a_bad_one_of_its_id(tmp_path: Path) -> None:
    """A row that was left out is nobody's duplicate."""
    read = plan(tmp_path, tables="id,name,capacity\nt1,Aare,many\nt1,Aare,8\n")
    assert found(read) == [("bad_value", "t1", "-")]
    assert read.items["tables"] == {"t1": {"name": "Aare", "capacity": 8}}


def test_rates_and_venue_are_kept_exactly(tmp_path: Path) -> None:
    """Rates are strings as written, coordinates whole millionths of a degree."""
    venue = '{"id": "seehof", "name": "Seehof", "latitude": 47.2266, "longitude": -8.8184005, "stars": 4}'
    required = '"id": "small", "title": "S", "date": "2027-06-19", "timeZone": "UTC", "homeCurrency": "CHF"'
    text = f'{{{required}, "rates": {{"EUR": 0.9400, "JPY": "0.0059"}}, "venue": {venue}}}'
    read = plan_of(write_folder(tmp_path, text))
    assert read.fields["rates"] == {"EUR": "0.9400", "JPY": "0.0059"}
    assert read.fields["venue"] == {"id": "seehof", "name": "Seehof", "latitude": 47226600, "longitude": -8818400}


@pytest.mark.parametrize(
    ("field", "value"), [("rates", {"euro": "1"}), ("rates", [1]), ("venue", {"latitude": 91}), ("venue", "Seehof")]
)
def test_bad_rates_and_venues_are_left_out(tmp_path: Path, field: str, value: Any) -> None:
    """The wedding is imported without them."""
    read = plan(tmp_path, {field: value})
    assert found(read) == [("bad_value", "small", "-")]
    assert set(read.fields) == {"title", "date", "timeZone", "homeCurrency"}


def test_a_number_beyond_all_measure_is_a_bad_value(tmp_path: Path) -> None:
    """A coordinate that no arithmetic holds leaves the venue out, as any other wrong one does."""
    wedding = json.dumps(WEDDING | {"venue": {"latitude": 0}}).replace('"latitude": 0', '"latitude": 1e999999')
    read = plan_of(write_folder(tmp_path, wedding))
    assert found(read) == [("bad_value", "small", "-")]


def test_people_are_judged_one_by_one(tmp_path: Path) -> None:
    """A bad role, a reserved or a repeated id leave one person out."""
    people = [
        *WEDDING["people"],
        {"id": "amara", "name": "Amara again", "role": "couple"},
        {"id": "uncle", "name": "Uncle", "role": "uncle"},
        {"id": "couple", "name": "Both", "role": "couple"},
        {"name": "Nobody", "role": "guest"},
        "Somebody",
    ]
    read = plan(tmp_path, {"people": people})
    assert found(read) == [
        ("duplicate", "amara", "-"),
        ("bad_value", "uncle", "-"),
        ("bad_value", "couple", "-"),
        ("bad_value", "wedding.json:people:6", "-"),
        ("bad_value", "wedding.json:people:7", "-"),
    ]
    assert read.rows == 9 + len(people)


def test_vendors_become_members(tmp_path: Path) -> None:
    """Each vendor is a person with the role vendor, unless a person has the id already."""
    read = plan(tmp_path, {"people": [*WEDDING["people"], {"id": "lux", "name": "Cousin Lux", "role": "friend"}]})
    assert read.items["people"]["bloom"] == {"name": "Bloom", "role": "vendor"}
    assert read.items["people"]["lux"] == {"name": "Cousin Lux", "role": "friend"}
    assert found(read) == [("duplicate", "lux", "-")]
