"""The token of one open socket: checked at hello, a warning before it expires, a new one in place of it, the end when it has.

Used by gateway.sessions.session; HTTP requests carry a token each and check it in http/callers.
"""

import asyncio
import time
from typing import Final

from actors.contract.client_frames import Hello
from actors.contract.events import instant_of
from actors.contract.ids import is_token
from actors.contract.server_frames import TokenExpiring, TokenRefreshed
from gateway.access.authentication import Authentication
from gateway.access.tokens import TokenClaims
from gateway.errors import GatewayError, TokenError
from gateway.wire.close_codes import BAD_TOKEN
from gateway.wire.frames import struct_frame
from gateway.wire.socket import Socket

#: How long before its end a client is told that its token expires; of one that is shorter, when half of it is left: who answers
#: with another short one is not asked again at once.
WARNING_SECONDS: Final = 60.0


class Credentials:
    """See the module. `check` and `refresh` judge a token, `hold` starts its timers, `drop` stops them."""

    def __init__(self, socket: Socket, authentication: Authentication) -> None:
        self._socket = socket
        self._authentication = authentication
        self._wedding = ""
        self._claims: TokenClaims | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def expires_at(self) -> str:
        """When the token ends, RFC 3339; empty before there is one."""
        return instant_of(int(self._claims.expires_at * 1000)) if self._claims is not None else ""

    def check(self, hello: Hello) -> TokenClaims:
        """Judge the token of a hello; raises TokenError, or GatewayError bad_frame."""
        if not is_token(hello.wedding):
            raise GatewayError("bad_frame", "`wedding` is not an id.")
        self._wedding = hello.wedding
        self._claims = self._socket.token = self._authentication.claims_for(hello.token, hello.wedding)
        return self._claims

    def hold(self) -> None:
        """Watch over the token from now on; raises TokenError when it was revoked since it was checked."""
        self.drop()
        if self._claims is None:
            return
        self._authentication.require_valid(self._claims)
        left_seconds = self._claims.expires_at - time.time()
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(max(left_seconds - WARNING_SECONDS, left_seconds / 2), self._warn),
            loop.call_later(max(0.0, left_seconds), self._expire),
        ]

    def refresh(self, token: str) -> None:
        """Go on with a new token of the same person; raises TokenError, and the old one stays."""
        claims = self._authentication.claims_for(token, self._wedding)
        if self._claims is None or claims.principal != self._claims.principal:
            raise TokenError(message="The token is somebody else's.")
        self._claims = self._socket.token = claims
        self.hold()
        self._socket.write(struct_frame(TokenRefreshed(self.expires_at)))

    def drop(self) -> None:
        """Watch no longer."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _warn(self) -> None:
        self._socket.write(struct_frame(TokenExpiring(self.expires_at)))

    def _expire(self) -> None:
        self._socket.close(BAD_TOKEN, TokenError(message="The token has expired."))
