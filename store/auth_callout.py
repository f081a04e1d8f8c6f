"""Answers to nats-server's question who may connect (auth callout): the wire of it, not the policy.

The server asks with a JWT on `$SYS.REQ.USER.AUTH` in the account AUTH; the answer is a JWT that carries, for who is admitted, a
user JWT with its permissions, both signed with the issuer's nkey. Whom to admit is for `decide` to say (gateway.access.callout).
"""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import nkeys
import structlog

from store.bus import Bus, BusSubscription, Message
from store.errors import StoreError

_SUBJECT: Final = "$SYS.REQ.USER.AUTH"
_QUEUE: Final = "wedsync-auth"
#: The account in which admitted integrators are.
_ACCOUNT: Final = "APP"
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
_UNLIMITED: Final = -1

_log = structlog.get_logger()


class Credentials(NamedTuple):
    """What a client gave when it connected; `token` is its password or its auth token."""

    user: str
    token: str


class Grant(NamedTuple):
    """What an admitted client may do, until `expires_at` (Unix seconds); then the server disconnects it."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    expires_at: float


class _ServerId(msgspec.Struct):
    id: str


class _ConnectOptions(msgspec.Struct):
    user: str = ""
    password: str = msgspec.field(default="", name="pass")
    auth_token: str = ""


class _RequestBody(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    connect_opts: _ConnectOptions


class _RequestClaims(msgspec.Struct):
    nats: _RequestBody


_decode_claims = msgspec.json.Decoder(_RequestClaims)


class AuthCallout:
    """Answers for one process; several processes share the questions. `decide` gives a grant, or None for a refusal."""

    def __init__(self, bus: Bus, issuer_seed: str, decide: Callable[[Credentials], Grant | None]) -> None:
        """`bus` is connected as the internal user `auth`."""
        self._bus = bus
        self._issuer = nkeys.from_seed(issuer_seed.encode())
        self._decide = decide
        self._subscription: BusSubscription | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._subscription = await self._bus.subscribe(_SUBJECT, self._on_request, queue=_QUEUE)

    async def stop(self) -> None:
        """Leave the questions to the others."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _on_request(self, message: Message) -> None:
        try:
            await self._bus.publish(message.reply, self._answer(message.data))
        except (StoreError, msgspec.MsgspecError, ValueError) as error:
            # No answer: the server refuses the connection when its time is up.
            _log.warning("auth_callout_failed", reason=type(error).__name__)

    def _answer(self, request: bytes) -> bytes:
        body = _decode_claims.decode(_claims_of(request)).nats
        options = body.connect_opts
        grant = self._decide(Credentials(options.user, options.password or options.auth_token))
        verdict = {"error": "bad_token"} if grant is None else {"jwt": self._user_jwt(body.user_nkey, grant).decode()}
        response = {"type": "authorization_response", "version": 2, **verdict}
        return self._signed({"aud": body.server_id.id, "sub": body.user_nkey, "nats": response})

    def _user_jwt(self, user_key: str, grant: Grant) -> bytes:
        permissions = {
            "pub": {"allow": list(grant.publish)},
            "sub": {"allow": list(grant.subscribe)},
            "subs": _UNLIMITED,
            "data": _UNLIMITED,
            "payload": _UNLIMITED,
        }
        user = {"type": "user", "version": 2, **permissions}
        return self._signed({"aud": _ACCOUNT, "sub": user_key, "name": grant.name, "exp": int(grant.expires_at), "nats": user})

    def _signed(self, claims: dict[str, Any]) -> bytes:
        claims |= {"iss": self._issuer.public_key.decode(), "iat": int(time.time())}
        claims["jti"] = base64.b32encode(hashlib.sha256(msgspec.json.encode(claims)).digest()).decode().rstrip("=")
        signed = _base64(msgspec.json.encode(_HEADER)) + b"." + _base64(msgspec.json.encode(claims))
        return signed + b"." + _base64(self._issuer.sign(signed))


def _claims_of(token: bytes) -> bytes:
    """The claims of a JWT; only the server can publish to our account, so its signature proves nothing more."""
    _, claims, _ = token.split(b".")
    return base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4))


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
