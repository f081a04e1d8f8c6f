"""References, circles, contract hours and overlaps: what is found, and what is not a problem."""

from pathlib import Path
from typing import Any

import pytest

from config.cli.importer.plan import plan_of
from tests.importing.folders import SHIPPED, found, plan
from tests.support.requirements import require_shared

TIMELINE = "id,title,start,duration_min,depends_on,vendors,resource,buffer_after_min\n"
VENDORS = (
    "id,name,contract_start,contract_end\n"
    "bloom,Bloom,2027-06-19T08:00,2027-06-19T16:00\n"
    "lux,Lux,2027-06-19T22:00,2027-06-20T02:00\n"
)


def item(
    identifier: str, start: str = "", minutes: str = "", depends: str = "", vendors: str = "", place: str = "", buffer: str = ""
) -> str:
    """One row of the timeline, on the day itself unless `start` names a day."""
    when = f"2027-06-19T{start}" if len(start) == 5 else start
    return f"{identifier},Title,{when},{minutes},{depends},{vendors},{place},{buffer}\n"


def of_timeline(path: Path, *rows: str) -> list[tuple[str, str, str]]:
    return found(plan(path, vendors=VENDORS, timeline=TIMELINE + "".join(rows), budget=None))


@pytest.mark.shared
def test_lakeside_has_exactly_its_five_problems() -> None:
    """The sample wedding gives the five problems that its README names, and 226 items."""
    read = plan_of(require_shared("data", "lakeside"))
    assert sorted(found(read)) == [
        ("outside_contract_hours", "bloom-teardown", "bloom"),
        ("outside_contract_hours", "cake-cutting", "cake"),
        ("outside_contract_hours", "getting-ready-photos", "film"),
        ("outside_contract_hours", "party", "tafel"),
        ("overlap", "hair-makeup", "getting-ready-photos"),
    ]
    assert read.rows == 32 + 11 + 142 + 18 + 17 + 6


def test_the_shipped_wedding_has_its_problems() -> None:
    """Our own wedding is messy in every way but a circle."""
    read = plan_of(SHIPPED)
    assert found(read) == [
        ("duplicate", "g041", "-"),
        ("bad_value", "b11", "-"),
        ("broken_reference", "g002", "g147"),
        ("outside_contract_hours", "arch-move", "petala"),
        ("outside_contract_hours", "band-check", "kapela"),
        ("outside_contract_hours", "oczepiny", "lente"),
        ("outside_contract_hours", "night-soup", "tacho"),
        ("outside_contract_hours", "last-boat", "barco"),
        ("overlap", "hair", "portraits-dress"),
    ]
    assert (read.rows, len(read.items["guests"])) == (203, 120)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("timeline", TIMELINE + item("a", depends="gone"), [("broken_reference", "a", "gone")]),
        ("timeline", TIMELINE + item("a", vendors="lux|Gone Ltd"), [("broken_reference", "a", "Gone Ltd")]),
        ("guests", "id,first_name,sit_with,keep_apart\ng1,Awa,g9,g1\n", [("broken_reference", "g1", "g9")]),
        (
            "guests",
            "id,first_name,keep_apart\ng1,Awa,g8|g9\n",
            [("broken_reference", "g1", "g8"), ("broken_reference", "g1", "g9")],
        ),
        ("guests", "id,first_name,table\ng1,Awa,t9\ng2,Nora,t1\n", [("broken_reference", "g1", "t9")]),
        ("budget", "id,item,vendor,payer\nb1,Arch,gone,couple\n", [("broken_reference", "b1", "gone")]),
        ("budget", "id,item,vendor,payer\nb1,Arch,lux,uncle\n", [("broken_reference", "b1", "uncle")]),
        ("budget", "id,item,vendor,payer\nb1,Arch,lux,lux\n", []),
    ],
)
def test_a_reference_to_what_is_not_there_is_dropped(
    tmp_path: Path, file: str, text: str, expected: list[tuple[str, str, str]]
) -> None:
    """The item stays, without the reference; the good ones beside it stay too."""
    files: dict[str, Any] = {"vendors": VENDORS, "timeline": None, "budget": None, file: text}
    read = plan(tmp_path, **files)
    assert found(read) == expected
    values = [value for fields in read.items[file].values() for value in fields.values()]
    assert not any(other in str(value) for _, _, other in expected for value in values)


def test_a_reference_to_a_row_that_was_left_out_is_broken(tmp_path: Path) -> None:
    """What is not imported cannot be referred to."""
    assert of_timeline(tmp_path, item("a", minutes="long"), item("b", depends="a")) == [
        ("bad_value", "a", "-"),
        ("broken_reference", "b", "a"),
    ]


def test_t7_the_dependency_that_closes_a_circle_is_dropped(tmp_path: Path) -> None:
    """The path is named, the last edge of the circle goes, all items and all other edges stay."""
    rows = item("a", depends="c"), item("b", depends="a"), item("c", depends="b|d"), item("d")
    read = plan(tmp_path, vendors=VENDORS, timeline=TIMELINE + "".join(rows), budget=None)
    assert found(read) == [("cycle", "c", "b")]
    assert "c -> b -> a -> c" in read.problems[0].sentence
    kept = {identifier: fields.get("dependsOn") for identifier, fields in read.items["timeline"].items()}
    assert kept == {"a": ["c"], "b": ["a"], "c": ["d"], "d": None}


def test_t7_the_shortest_and_two_separate_circles(tmp_path: Path) -> None:
    """An item that depends on itself is a circle; each circle is one problem."""
    rows = item("a", depends="a"), item("b", depends="c"), item("c", depends="b")
    assert of_timeline(tmp_path, *rows) == [("cycle", "a", "a"), ("cycle", "c", "b")]


@pytest.mark.parametrize(
    ("start", "minutes", "inside"),
    [
        ("08:00", "480", True),
        ("07:59", "10", False),
        ("15:30", "31", False),
        ("16:00", "", True),
        ("17:00", "10", False),
        ("", "", True),
    ],
)
def test_t10_work_outside_the_contract(tmp_path: Path, start: str, minutes: str, inside: bool) -> None:
    """Work lies within the hours, both ends included, or is reported."""
    expected = [] if inside else [("outside_contract_hours", "a", "bloom")]
    assert of_timeline(tmp_path, item("a", start, minutes, vendors="bloom")) == expected


def test_t10_work_across_midnight(tmp_path: Path) -> None:
    """A contract and an item may end on the next day."""
    rows = item("a", "23:30", "60", vendors="lux"), item("b", "2027-06-20T01:30", "31", vendors="lux")
    assert of_timeline(tmp_path, *rows) == [("outside_contract_hours", "b", "lux")]


def test_t10_each_vendor_has_its_own_hours(tmp_path: Path) -> None:
    """One problem per vendor; a contract without hours is never exceeded, one without an end only before its start."""
    vendors = VENDORS + "free,Free,,\nopen,Open,2027-06-19T12:00,\n"
    rows = item("a", "19:00", "60", vendors="bloom|lux|free|open"), item("b", "11:00", "60", vendors="open")
    assert found(plan(tmp_path, vendors=vendors, timeline=TIMELINE + "".join(rows), budget=None)) == [
        ("outside_contract_hours", "a", "bloom"),
        ("outside_contract_hours", "a", "lux"),
        ("outside_contract_hours", "b", "open"),
    ]


def test_t13_hours_hold_across_the_change_of_clocks(tmp_path: Path) -> None:
    """Durations are real minutes: in the night of the long hour an item of 120 minutes ends at two o'clock, not at three."""
    vendors = "id,name,contract_start,contract_end\nbar,Bar,2027-10-30T20:00,2027-10-31T03:00\n"
    rows = item("a", "2027-10-31T01:00", "180", vendors="bar"), item("b", "2027-10-31T01:00", "181", vendors="bar")
    read = plan(tmp_path, vendors=vendors, timeline=TIMELINE + "".join(rows), budget=None)
    assert found(read) == [("outside_contract_hours", "b", "bar")]


def test_t11_two_items_in_one_place(tmp_path: Path) -> None:
    """Each pair that shares minutes is one problem, the earlier item first, wherever it stands in the file."""
    rows = (
        item("late", "10:30", "60", place="lawn"),
        item("early", "10:00", "31", place="lawn"),
        item("other", "10:00", "90", place="hall"),
    )
    assert of_timeline(tmp_path, *rows) == [("overlap", "early", "late")]


def test_t11_what_is_no_overlap(tmp_path: Path) -> None:
    """One may begin when the other ends, turnaround does not count, no place and no time are no place and no time."""
    rows = (
        item("a", "10:00", "30", place="lawn", buffer="15"),
        item("b", "10:30", "30", place="lawn"),
        item("c", "10:00", "60"),
        item("d", "10:00", "60"),
        item("e", place="lawn"),
        item("f", "10:15", "", place="lawn"),
    )
    assert of_timeline(tmp_path, *rows) == []


def test_vendors_may_work_in_parallel(tmp_path: Path) -> None:
    """Vendors are teams."""
    rows = item("a", "10:00", "60", vendors="bloom", place="lawn"), item("b", "10:00", "60", vendors="bloom", place="hall")
    assert of_timeline(tmp_path, *rows) == []
