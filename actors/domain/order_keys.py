"""Order keys: fractional indices by which readers sort (order, id). The only place that knows how they are made.

Called by the rules of items. Keys are compared as text; two items may have the same key, then the id decides.
"""

from typing import Final

from fractional_indexing import FIError, generate_key_between, validate_order_key

from actors.domain.errors import Refused

#: A longer key means that one gap was split a thousand times.
MAX_LENGTH: Final = 200


def require_valid(key: str) -> None:
    """Raise Refused unless the key is one that new keys can be made beside."""
    try:
        validate_order_key(key)
    except FIError:
        raise Refused(
            "bad_value", f"{key!r} is not an order key.", "Leave `order` out, or copy one that the server made."
        ) from None


def key_between(before: str | None, after: str | None) -> str:
    """Return a key between two others; None is the front or the end. Raises Refused when there is no room left."""
    try:
        key: str = generate_key_between(before, after)
    except FIError:
        key = ""
    if not key or len(key) > MAX_LENGTH:
        raise Refused("bad_value", "There is no room left at this place.", "Move a neighbour to another place and back first.")
    return key
