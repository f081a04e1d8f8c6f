"""wedding.json: the wedding's own fields and its people. Without id, title, date, zone and currency nothing is imported."""

from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from actors.contract.ids import is_token
from config.cli.importer.cells import BadCell, exponent_of
from config.cli.importer.folder import WEDDING_FILE
from config.cli.importer.items import Home, Items, check_item, show
from config.cli.importer.problems import FolderUnreadable, Problem

_REQUIRED: Final = ("title", "date", "timeZone", "homeCurrency")
_MILLIONTHS: Final = 6
_FULL_CIRCLE: Final = 360


def read_home(content: dict[str, Any]) -> tuple[Home, dict[str, Any]]:
    """Return what rows are read with, and the required fields of the wedding; raises FolderUnreadable."""
    identifier = content.get("id")
    if not isinstance(identifier, str) or not is_token(identifier):
        raise FolderUnreadable(
            f"the id {show(identifier)} in {WEDDING_FILE} is not an id (a-z, 0-9, '_' and '-', at most 64 long)"
        )
    required = {field: content.get(field) for field in _REQUIRED}
    fault = check_item("wedding", identifier, required, identifier)
    if fault is not None:
        raise FolderUnreadable(f"{WEDDING_FILE}: {fault}")
    try:
        zone = ZoneInfo(str(required["timeZone"]))
    except (KeyError, OSError, ValueError):
        raise FolderUnreadable(f"{WEDDING_FILE}: there is no time zone {show(required['timeZone'])}") from None
    try:
        exponent_of(str(required["homeCurrency"]))
    except BadCell as error:
        raise FolderUnreadable(f"{WEDDING_FILE}: homeCurrency {show(required['homeCurrency'])} {error}") from None
    return Home(identifier, zone, str(required["homeCurrency"])), required


def read_extras(content: dict[str, Any], wedding: str, problems: list[Problem]) -> dict[str, Any]:
    """Return rates and venue where they are good; what is not is left out and reported."""
    extras: dict[str, Any] = {}
    for field, read in (("rates", _rates), ("venue", _venue)):
        value = content.get(field)
        if value is None:
            continue
        converted = read(value)
        required = {"title": "x", "date": "2000-01-01", "timeZone": "UTC", "homeCurrency": "EUR"}
        fault = check_item("wedding", wedding, required | {field: converted}, wedding)
        if fault is None:
            extras[field] = converted
        else:
            problems.append(Problem("bad_value", wedding, "-", f"{WEDDING_FILE}: {fault}; {field} is left out."))
    return extras


def read_people(content: dict[str, Any], wedding: str, problems: list[Problem]) -> tuple[Items, int]:
    """Return the good people by id, and how many the file names; raises FolderUnreadable."""
    named = content.get("people", [])
    if not isinstance(named, list):
        raise FolderUnreadable(f"`people` in {WEDDING_FILE} is no list")
    people: Items = {}
    for number, entry in enumerate(named, start=1):
        person = entry if isinstance(entry, dict) else {}
        identifier = str(person.get("id") or f"{WEDDING_FILE}:people:{number}")
        fields = {"name": person.get("name"), "role": person.get("role")}
        fault = check_item("people", identifier, fields, wedding)
        if identifier in people:
            sentence = f"{WEDDING_FILE}: the id {identifier} is used before; this person is left out."
            problems.append(Problem("duplicate", identifier, "-", sentence))
        elif fault is not None:
            problems.append(Problem("bad_value", identifier, "-", f"{WEDDING_FILE}: {fault}; this person is left out."))
        else:
            people[identifier] = fields
    return people, len(named)


def add_vendors(people: Items, vendors: Items, wedding: str, problems: list[Problem]) -> None:
    """Make every vendor a member; a person of the same id keeps it."""
    for identifier, vendor in vendors.items():
        fields = {"name": vendor["name"], "role": "vendor"}
        fault = check_item("people", identifier, fields, wedding)
        if identifier in people:
            sentence = f"the vendor {identifier} has the id of a person, who keeps it; the vendor is no member."
            problems.append(Problem("duplicate", identifier, "-", sentence))
        elif fault is not None:
            problems.append(Problem("bad_value", identifier, "-", f"vendors.csv: {fault}; the vendor is no member."))
        else:
            people[identifier] = fields


def _rates(value: Any) -> Any:
    """Rates as strings, however the file wrote them."""
    if not isinstance(value, dict):
        return value
    return {str(code): format(rate, "f") if isinstance(rate, Decimal) else str(rate) for code, rate in value.items()}


def _venue(value: Any) -> Any:
    """The place with its coordinates in millionths of a degree; names that nobody knows are left out."""
    if not isinstance(value, dict):
        return value
    venue = {name: entry for name, entry in value.items() if name in {"id", "name", "region", "latitude", "longitude"}}
    for name in ("latitude", "longitude"):
        degrees = venue.get(name)
        if isinstance(degrees, (int, Decimal)) and not isinstance(degrees, bool):
            exact = Decimal(degrees)
            # What is no degree at all stays as it is and is judged with the rest.
            venue[name] = round(exact.scaleb(_MILLIONTHS)) if abs(exact) <= _FULL_CIRCLE else degrees
    return venue
