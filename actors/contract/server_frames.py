"""Frames from a gateway to a client: the whole direction as one tagged union (docs/protocol.md, version 1).

Gateways build the hot ones (events, saved) by hand from bytes that are already encoded; the shapes here are what they must equal.
"""

from typing import Literal

import msgspec

Reason = Literal["join", "resume", "generation", "too_old", "granted", "repair", "stale"]


class Welcome(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="welcome"):
    """The answer to hello; exactly one data_sync per channel follows, then `synced`."""

    session: str
    client: str
    user: str
    role: str
    generation: int
    last_op: int
    channels: dict[str, int]
    limits: dict[str, object]
    token_expires_at: str = ""


class ChannelSync(msgspec.Struct, frozen=True, rename="camel", tag="data_sync"):
    """One channel brought up to `sequence`: whole, or by the events after the named one."""

    channel: str
    mode: Literal["snapshot", "events"]
    reason: Reason
    sequence: int
    digest: str
    more: bool = False
    state: dict[str, dict[str, dict[str, object]]] | msgspec.UnsetType = msgspec.UNSET
    events: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


class Synced(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="synced"):
    """Everything before is the sync, everything after is live."""


class Stale(msgspec.Struct, frozen=True, rename="camel", tag="stale"):
    """This socket read too slowly: nothing after these sequences was sent. One data_sync per channel follows, then `synced`."""

    channels: dict[str, int]


class LiveEvents(msgspec.Struct, frozen=True, rename="camel", tag="collaboration_event"):
    """All parts of one op that this socket may read."""

    events: list[msgspec.Raw]


class Saved(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="saved"):
    """On disk, with every earlier op of this client."""

    op: str


class Applied(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="applied"):
    """Applied, and no event of it comes to this socket; or a repeat."""

    op: str


class Rejected(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="rejected"):
    """Not applied; the number is free when `next` is at or below it. `limit` and `value`: which limit was met, if one was."""

    op: str
    code: str
    message: str
    remedy: str
    next: int = 0
    retry_after_ms: int | None = None
    limit: str = ""
    value: int = 0


class Delayed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="delayed"):
    """An integrator's op that waits in the intake and cannot be taken yet: it is kept and tried again, later ones after it."""

    op: str
    code: str
    message: str
    remedy: str


class Withdrawn(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="withdrawn"):
    """This channel may no longer be read; drop it."""

    channel: str


class PresenceSummary(msgspec.Struct, frozen=True, rename="camel"):
    """A crowd in numbers: how many people, by status, by section (those that the reader may read), by role."""

    people: int
    statuses: dict[str, int]
    sections: dict[str, int]
    roles: dict[str, int]


class PresenceFrame(msgspec.Struct, frozen=True, rename="camel", tag="presence_update"):
    """Who is here; None for a person who left. `whole` replaces everything known.

    With `summary` the wedding is crowded: it counts everybody, and `presence` has only those who matter to this socket, None for
    who does no longer.
    """

    version: int
    whole: bool
    presence: dict[str, dict[str, object] | None]
    summary: PresenceSummary | msgspec.UnsetType = msgspec.UNSET


class TokenExpiring(msgspec.Struct, frozen=True, rename="camel", tag="token_expiring"):
    """The token ends soon: send `token_refresh`, or the socket closes with 4401 then."""

    expires_at: str


class TokenRefreshed(msgspec.Struct, frozen=True, rename="camel", tag="token_refreshed"):
    """The new token holds until then."""

    expires_at: str


class Goaway(msgspec.Struct, frozen=True, rename="camel", tag="goaway"):
    """This gateway ends: come back, to another one, after the second time, a moment of this socket's own within the first.

    What is sent until then is taken.
    """

    reason: str
    reconnect_within_ms: int
    reconnect_after_ms: int | None = None


class Verify(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="verify"):
    """Say what you hold: answer with a `ping` that carries `channels`, each with your sequence and digest."""


class Pong(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="pong"):
    """The answer to ping."""


class ErrorFrame(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="error"):
    """What names no op; the last three members as in `rejected`."""

    code: str
    message: str
    remedy: str
    retry_after_ms: int | None = None
    limit: str = ""
    value: int = 0


ServerFrame = (
    Welcome
    | ChannelSync
    | Synced
    | Stale
    | LiveEvents
    | Saved
    | Applied
    | Rejected
    | Withdrawn
    | PresenceFrame
    | TokenExpiring
    | TokenRefreshed
    | Goaway
    | Verify
    | Pong
    | ErrorFrame
)
