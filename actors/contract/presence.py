"""Presence between gateways: never stored in the log, keyed by (gateway, boot, connection), versioned per room (design D9)."""

import msgspec


class PresenceRecord(msgspec.Struct, frozen=True, array_like=True):
    """What one connection of a person says; `updated_ms` (Unix milliseconds) decides between several of them."""

    user: str
    updated_ms: int
    presence: dict[str, object]


class PresenceDiff(msgspec.Struct, frozen=True, array_like=True, tag="diff"):
    """What changed at one gateway in one room; None for a connection that left.

    `version` counts this gateway's changes of the room; a receiver that misses one asks for the whole (`PresenceAsk`).
    """

    gateway: str
    boot: str
    version: int
    whole: bool
    connections: dict[str, PresenceRecord | None]


class PresenceAsk(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Ask a gateway, or all of them with an empty name, for the whole of a room; `asker` is the boot that asks."""

    gateway: str
    asker: str


class PresenceBeat(msgspec.Struct, frozen=True, array_like=True, tag="beat"):
    """A gateway lives; `versions` names its rooms that changed lately, so that a lost last change is noticed."""

    gateway: str
    boot: str
    versions: dict[str, int]


PresenceMessage = PresenceDiff | PresenceAsk | PresenceBeat
