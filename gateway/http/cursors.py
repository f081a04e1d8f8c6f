"""Where a reader of a history goes on, as a text that says nothing: revs count what the reader may not see (design D4).

Sealed with a key made from the gateways' secret, so that any gateway opens it, and bound to the wedding and its reader.
"""

import base64
from functools import lru_cache
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import GatewayError

_PURPOSE: Final = b"wedsync history cursor 1"
_Place = tuple[str, str, int]


def sealed(secret: str, wedding: str, reader: str, rev: int) -> str:
    """Return the cursor behind this rev."""
    return _box(secret).encrypt(msgspec.json.encode((wedding, reader, rev))).decode()


def opened(secret: str, wedding: str, reader: str, cursor: str) -> int:
    """Return the rev of a cursor; raises GatewayError bad_value for one that was not given to this reader here."""
    try:
        place: _Place = msgspec.json.decode(_box(secret).decrypt(cursor.encode()), type=_Place)
    except (InvalidToken, ValueError):
        raise _bad_cursor() from None
    if place[:2] != (wedding, reader):
        raise _bad_cursor()
    return place[2]


def _bad_cursor() -> GatewayError:
    return GatewayError("bad_value", "`cursor` is none that this history gave you.", "Begin again without it.")


@lru_cache(maxsize=4)
def _box(secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
