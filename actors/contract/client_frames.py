"""Frames from a client to a gateway: the whole direction as one tagged union (docs/protocol.md, version 1)."""

from typing import Literal

import msgspec

PROTOCOL_VERSION = 1


class Resume(msgspec.Struct, frozen=True, rename="camel"):
    """Where a returning client stands."""

    generation: int
    channels: dict[str, int]


class Hello(msgspec.Struct, frozen=True, rename="camel", tag="hello"):
    """The first frame, within 5 s."""

    version: int
    wedding: str
    token: str
    client: str | None = None
    resume: Resume | None = None
    client_version: str = ""


class SubmitOp(msgspec.Struct, frozen=True, rename="camel", tag="collaboration_event"):
    """One op; kept raw, so that one bad op is refused alone."""

    op: msgspec.Raw


class ChannelClaim(msgspec.Struct, frozen=True):
    """What a client holds of a channel."""

    sequence: int
    digest: str = ""


class DataSync(msgspec.Struct, frozen=True, rename="camel", tag="data_sync"):
    """Several ops, or a request to repair channels whose digest differs."""

    ops: list[msgspec.Raw] | None = None
    channels: dict[str, ChannelClaim] | None = None
    #: Why `channels` are named: an event before the one that came is missing, the digest was wrong, or just to be sure.
    reason: Literal["gap", "digest", "check"] = "check"


class PresenceUpdate(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="presence_update"):
    """What the person is doing now; never stored in the log.

    Without `presence` it says only whether somebody is at the device; a client that noticed that nobody is says `active` false.
    """

    presence: dict[str, object] | msgspec.UnsetType | None = msgspec.UNSET
    active: bool = True


class TokenRefresh(msgspec.Struct, frozen=True, rename="camel", tag="token_refresh"):
    """A new token of the same person, before the old one ends."""

    token: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Asks for a pong; in answer to `verify` it says what the client holds of each channel."""

    channels: dict[str, ChannelClaim] | None = None


#: What a gateway handles without waiting for anything.
ShortFrame = Hello | SubmitOp | PresenceUpdate | TokenRefresh | Ping
ClientFrame = ShortFrame | DataSync
