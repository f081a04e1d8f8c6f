"""Tokens: who somebody is and for which wedding; they carry no role, the wedding's state says what a person may do.

JWT, HS256, claims `sub` (principal), `wedding`, `iat`, `exp`, `jti`, `use`. Made by the command line and by join; `use` is
`client` for sockets and HTTP, `nats` for integrators, so that neither opens the other's door.
"""

import secrets
from typing import Any, Final, Literal

import jwt
import msgspec

from actors.contract.ids import is_token
from gateway.errors import TokenError

TokenUse = Literal["client", "nats"]
_ALGORITHM: Final = "HS256"
_REQUIRED: Final = ("sub", "wedding", "iat", "exp", "jti", "use")


class TokenClaims(msgspec.Struct, frozen=True):
    """What a token says; times in Unix seconds."""

    principal: str
    wedding: str
    use: TokenUse
    issued_at: float
    expires_at: float
    id: str


def make_token(secret: str, principal: str, wedding: str, *, use: TokenUse, lifetime_seconds: float, now: float) -> str:
    """Return a signed token that is valid from `now` (Unix seconds) for its lifetime."""
    claims = {
        "sub": principal,
        "wedding": wedding,
        "iat": round(now, 3),
        "exp": int(now + lifetime_seconds),
        "jti": secrets.token_hex(16),
        "use": use,
    }
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def read_token(secret: str, token: str, *, now: float, use: TokenUse = "client") -> TokenClaims:
    """Check signature, form, expiry and use; raises TokenError."""
    try:
        # Expiry is compared with the caller's clock below, so that time is an argument here too.
        options: Any = {"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, secret, algorithms=[_ALGORITHM], options=options)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenError from None
    principal, wedding = claims["sub"], claims["wedding"]
    issued, expires, identifier = claims["iat"], claims["exp"], claims["jti"]
    times_are_numbers = isinstance(issued, (int, float)) and isinstance(expires, (int, float))
    if not (is_token(principal) and is_token(wedding) and times_are_numbers and isinstance(identifier, str)):
        raise TokenError
    if claims["use"] != use:
        raise TokenError(message="The token is for another use.")
    if expires <= now:
        raise TokenError(message="The token has expired.")
    return TokenClaims(principal, wedding, use, issued, expires, identifier)
