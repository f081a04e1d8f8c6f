"""Order keys: fractional indices by which readers sort (order, id). The only place that knows how they are made.

Called by the rules of items. Keys are compared as text; two items may have the same key, then the id decides.
"""

from typing import Final

from fractional_indexing import (
    FIError,
    generate_key_between,
    generate_n_keys_between,
    get_integer_part,
    validate_order_key,
)

from actors.domain.errors import Refused

#: A longer key means that one gap was split a thousand times.
MAX_LENGTH: Final = 200
#: Constants of the rules from version 3 on: a key longer than this has its neighbours made anew, and nobody gives one. Nor one
#: whose whole part, before the fraction, is longer than the second: behind such a one the server makes one of a digit more, and
#: to get beyond that takes 62 ** 7 inserts. So whatever stands in a list that began well keeps within the third.
LONG_KEY: Final = 40
LONGEST_GIVEN: Final = 7
LONGEST_MADE: Final = 8


def require_valid(key: str) -> None:
    """Raise Refused unless the key is one that new keys can be made beside."""
    try:
        validate_order_key(key)
    except FIError:
        raise Refused(
            "bad_value", f"{key!r} is not an order key.", "Leave `order` out, or copy one that the server made."
        ) from None


def require_roomy(key: str) -> None:
    """Raise Refused unless the key, which a person gives, leaves room for everybody else before and behind it."""
    require_valid(key)
    if not is_roomy(key, LONGEST_GIVEN):
        raise Refused("bad_value", "Beside this order key there is no room for others.", "Leave `order` out, or move the item.")


def is_roomy(key: str, longest: int = LONGEST_MADE) -> bool:
    """Tell whether a key is valid and no longer than the server makes them, its whole part no longer than `longest`."""
    try:
        validate_order_key(key)
    except FIError:
        return False
    return len(key) <= LONG_KEY and len(get_integer_part(key)) <= longest


def key_between(before: str | None, after: str | None) -> str:
    """Return a key between two others; None is the front or the end. Raises Refused when there is no room left."""
    key = key_if_room(before, after)
    if key is None:
        raise no_room()
    return key


def key_if_room(before: str | None, after: str | None) -> str | None:
    """Return a key between two others; None when there is no room left, or one of them is no key at all."""
    try:
        key: str = generate_key_between(before, after)
    except FIError:
        return None
    return key if len(key) <= MAX_LENGTH else None


def keys_if_room(before: str | None, after: str | None, count: int) -> list[str] | None:
    """Return so many keys between two others, ascending; None as above."""
    try:
        keys: list[str] = generate_n_keys_between(before, after, count)
    except FIError:
        return None
    return keys if max(map(len, keys)) <= MAX_LENGTH else None


def no_room() -> Refused:
    """Return what is said where no key can be made."""
    return Refused("bad_value", "There is no room left at this place.", "Move a neighbour to another place and back first.")
