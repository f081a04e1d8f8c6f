"""The kinds of field value: each a check that returns None for a good value or says what was expected.

Pure form only: whether a referenced item exists is for the fold to decide. No floats anywhere; integers stay within 2^53.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from actors.contract.channels import PRIVATE, SURPRISE, person_of
from actors.contract.ids import MAX_INTEGER, is_token

#: Returns None when the value fits, else what was expected ("a whole number from 0 to 10").
Check = Callable[[object], str | None]

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z\Z")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")
_RATE: Final = re.compile(r"\d{1,9}(\.\d{1,9})?\Z")
_CURRENCY: Final = re.compile(r"[A-Z]{3}\Z")
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}\Z")
_ORDER: Final = re.compile(r"[A-Za-z][0-9A-Za-z]{0,199}\Z")


def text(limit: int) -> Check:
    """Text of at most `limit` code points without NUL."""

    def check(value: object) -> str | None:
        good = isinstance(value, str) and len(value) <= limit and "\x00" not in value
        return None if good else f"text of at most {limit} characters"

    return check


def whole(least: int, most: int) -> Check:
    """A whole number within bounds, both included; true and false are not numbers."""

    def check(value: object) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if good else f"a whole number from {least} to {most}"

    return check


def one_of(*choices: str) -> Check:
    """One of a closed set of words."""

    def check(value: object) -> str | None:
        return None if value in choices and isinstance(value, str) else "one of " + ", ".join(choices)

    return check


def audience(*shared: str, private: bool = True) -> Check:
    """Who reads an item: one of the words that roles share, or a person who is not to see it or alone sees it."""
    personal = [f"{SURPRISE}<person>"] + ([f"{PRIVATE}<person>"] if private else [])
    words = one_of(*shared, *personal)("")

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return words
        person = None if value.startswith(PRIVATE) and not private else person_of(value)
        return None if value in shared or (person is not None and is_token(person)) else words

    return check


def list_of(entry: Check, limit: int) -> Check:
    """A list of at most `limit` entries of one kind."""

    def check(value: object) -> str | None:
        if not isinstance(value, list) or len(value) > limit:
            return f"a list of at most {limit} entries"
        for item in value:
            expected = entry(item)
            if expected is not None:
                return f"a list in which each entry is {expected}"
        return None

    return check


def either(*checks: Check) -> Check:
    """A value of any one of several kinds."""

    def check(value: object) -> str | None:
        expected = [wanted for wanted in (one(value) for one in checks) if wanted is not None]
        return None if len(expected) < len(checks) else " or ".join(expected)

    return check


def flag(value: object) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "true or false"


def token(value: object) -> str | None:
    """The id of something."""
    return None if is_token(value) else "an id: a-z, 0-9, '_' and '-', at most 64 long"


def instant(value: object) -> str | None:
    """A moment in UTC, RFC 3339 with `Z`."""
    if isinstance(value, str) and _INSTANT.match(value) is not None:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return None
    return 'a moment in UTC such as "2027-06-19T12:30:00Z"'


def day(value: object) -> str | None:
    """A calendar day."""
    if isinstance(value, str) and _DAY.match(value) is not None:
        try:
            date.fromisoformat(value)
        except ValueError:
            pass
        else:
            return None
    return 'a day such as "2027-06-19"'


def time_zone(value: object) -> str | None:
    """The name of an IANA time zone; only the form is judged, so that every host decides alike whatever its zone files say."""
    good = isinstance(value, str) and len(value) <= 64 and _ZONE.match(value) is not None
    return None if good else 'an IANA time zone such as "Europe/Zurich"'


def currency(value: object) -> str | None:
    """An ISO 4217 code, by its form."""
    return None if isinstance(value, str) and _CURRENCY.match(value) is not None else 'an ISO 4217 code such as "CHF"'


def order_key(value: object) -> str | None:
    """A fractional index as this server makes them."""
    return None if isinstance(value, str) and _ORDER.match(value) is not None else "an order key as the server made it"


#: How a conflict over a field is decided (docs/conflicts.md).
STRATEGIES: Final = ("last_writer_wins", "merge_changes", "priority_based", "manual_review", "wedding_hierarchy")
_FIELD: Final = re.compile(r"[a-z]{1,40}\.([A-Za-z]{1,40}|\*)\Z")


def strategies(value: object) -> str | None:
    """Strategies of a wedding's own, by field: `{"budget.estimate": "manual_review"}`; `*` means the whole item."""
    if (
        isinstance(value, dict)
        and len(value) <= 200
        and all(isinstance(name, str) and _FIELD.match(name) for name in value)
        and all(isinstance(strategy, str) and strategy in STRATEGIES for strategy in value.values())
    ):
        return None
    return 'strategies by field, such as {"budget.estimate": "manual_review"}: one of ' + ", ".join(STRATEGIES)


def _is_rate(value: object) -> bool:
    return isinstance(value, str) and _RATE.match(value) is not None


def rates(value: object) -> str | None:
    """Exchange rates into the home currency: `{"EUR": "0.9400"}`; strings, since money knows no floats."""
    if (
        isinstance(value, dict)
        and len(value) <= 200
        and all(currency(code) is None and _is_rate(rate) for code, rate in value.items())
    ):
        return None
    return 'rates as strings by currency, such as {"EUR": "0.9400"}'


_VENUE_FIELDS: Final[dict[str, Check]] = {
    "id": token,
    "name": text(200),
    "latitude": whole(-90_000_000, 90_000_000),
    "longitude": whole(-180_000_000, 180_000_000),
    "region": text(64),
}


def venue(value: object) -> str | None:
    """The place: `{id, name, latitude, longitude, region}`, coordinates in 1e-6 degrees."""
    checks = _VENUE_FIELDS
    if isinstance(value, dict) and all(name in checks and checks[name](entry) is None for name, entry in value.items()):
        return None
    return "a place {id, name, latitude, longitude, region} with coordinates as whole millionths of a degree"


money: Final[Check] = whole(-MAX_INTEGER, MAX_INTEGER)
minutes: Final[Check] = whole(0, 60 * 24 * 60)
