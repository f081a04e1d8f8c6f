"""Cells to values: text, numbers, money, local times, lists. Each kind takes the text of a cell that is not empty.

Raises BadCell, whose message completes the sentence "<column> <text> ...". No floats anywhere.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from iso4217 import Currency

from config.errors import ConfigError

_WHOLE: Final = re.compile(r"-?\d{1,15}\Z", re.ASCII)
_MONEY: Final = re.compile(r"-?\d{1,12}(\.\d+)?\Z", re.ASCII)
_LOCAL_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?\Z", re.ASCII)


class BadCell(ConfigError):
    """The text of a cell does not fit its column."""

    code = "bad_value"


class Setting(NamedTuple):
    """What the meaning of a cell depends on: the wedding's zone, and the currency of the row."""

    zone: ZoneInfo
    currency: str


Kind = Callable[[str, Setting], Any]


def text(cell: str, _: Setting) -> str:
    """Text as it stands."""
    return cell


def flag(cell: str, _: Setting) -> bool:
    """Yes or no."""
    answers = {"yes": True, "no": False}
    if cell.lower() not in answers:
        raise BadCell("is neither yes nor no")
    return answers[cell.lower()]


def whole(cell: str, _: Setting) -> int:
    """A whole number."""
    if _WHOLE.match(cell) is None:
        raise BadCell("is not a whole number")
    return int(cell)


def entries(cell: str, _: Setting) -> list[str]:
    """A list split by `|`; empty entries are none."""
    return [entry.strip() for entry in cell.split("|") if entry.strip()]


def label_or_labels(cell: str, setting: Setting) -> str | list[str]:
    """One label, or a list when there is a `|`."""
    return entries(cell, setting) if "|" in cell else cell


def amount(cell: str, setting: Setting) -> int:
    """Money in minor units of the row's currency; may be negative, as a discount is."""
    if _MONEY.match(cell) is None:
        raise BadCell("is not an amount of money")
    digits = exponent_of(setting.currency)
    minor = Decimal(cell).scaleb(digits)
    if len(cell.partition(".")[2]) > digits:
        raise BadCell(f"has more decimals than {setting.currency}, which has {digits}")
    return int(minor)


def price(cell: str, setting: Setting) -> int:
    """Money that cannot be negative."""
    value = amount(cell, setting)
    if value < 0:
        raise BadCell("is below zero")
    return value


def currency(cell: str, _: Setting) -> str:
    """An ISO 4217 code that money is counted in."""
    exponent_of(cell)
    return cell


def exponent_of(code: str) -> int:
    """How many decimals a currency has (JPY 0, CHF 2, KWD 3); raises BadCell for what is no currency."""
    try:
        exponent: int | None = Currency(code).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise BadCell("is no currency of ISO 4217")
    return exponent


def local_time(cell: str, setting: Setting) -> str:
    """A local time of the wedding's zone as a UTC instant; the earlier one where clocks go back."""
    if _LOCAL_TIME.match(cell) is None:
        raise BadCell("is not a local time such as 2027-06-19T14:30")
    try:
        local = datetime.fromisoformat(cell).replace(tzinfo=setting.zone, fold=0)
        instant = local.astimezone(UTC)
        if instant.astimezone(setting.zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise BadCell(f"does not exist in {setting.zone.key}: the clocks are put forward then")
    except (ValueError, OverflowError):
        raise BadCell("is not a time of the calendar") from None
    return f"{instant.replace(tzinfo=None).isoformat()}Z"
