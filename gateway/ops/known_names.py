"""Names that only tables of the outside world know: time zones and currencies.

The contract judges their form alone, because every host must decide alike whatever tables it has (design D1). Entrances ask the
tables before the log, so that a wedding never gets a zone in which no clock goes. Called by the submitter.
"""

from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from iso4217 import Currency

from actors.contract.errors import BadOp
from actors.contract.ops import Op

_CURRENCY_FIELDS: Final = ("homeCurrency", "currency")
_FIELDS: Final = frozenset({"timeZone", "rates", *_CURRENCY_FIELDS})


def require_known_names(op: Op) -> None:
    """Raise BadOp when a time zone or a currency does not exist; the op has passed `check_op`."""
    data = op.data
    if _FIELDS.isdisjoint(data):
        return
    zone = data.get("timeZone")
    if zone is not None and zone not in _zones():
        raise BadOp("bad_value", f"There is no time zone {zone!r}.", 'Use an IANA time zone such as "Europe/Zurich".')
    codes = [data.get(field) for field in _CURRENCY_FIELDS]
    if isinstance(rates := data.get("rates"), dict):
        codes += rates
    for code in codes:
        if code is not None and code not in _currencies():
            raise BadOp("bad_value", f"There is no currency {code!r}.", 'Use an ISO 4217 code such as "CHF".')


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    return frozenset(currency.code for currency in Currency)
