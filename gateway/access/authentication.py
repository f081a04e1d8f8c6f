"""Whose token it is and for which wedding, at every door: signature, form, end, use, and whether it was revoked.

Asked by sockets, HTTP routes and the auth callout; what a person may do stands in the wedding's state, not here.
"""

import time
from collections.abc import Callable

from actors.contract.ids import SERVICE_PRINCIPALS
from gateway.access.tokens import TokenClaims, TokenUse, read_token
from gateway.errors import TokenError


class Authentication:
    """See the module."""

    def __init__(self, secret: str, is_revoked: Callable[[TokenClaims], bool]) -> None:
        self._secret = secret
        self._is_revoked = is_revoked

    def claims(self, token: str, *, use: TokenUse = "client") -> TokenClaims:
        """Read a token for any wedding; raises TokenError."""
        claims = read_token(self._secret, token, now=time.time(), use=use)
        self.require_valid(claims)
        return claims

    def claims_for(self, token: str, wedding: str) -> TokenClaims:
        """Read a token for one wedding: it opens no other, but those of our own services open all; raises TokenError."""
        claims = self.claims(token)
        if claims.wedding != wedding and claims.principal not in SERVICE_PRINCIPALS:
            raise TokenError(message="The token is for another wedding.")
        return claims

    def require_valid(self, claims: TokenClaims) -> None:
        """Raise TokenError for a token that was revoked meanwhile."""
        if self._is_revoked(claims):
            raise TokenError(message="The token has been revoked.")
