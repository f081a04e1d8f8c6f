"""Presence between gateways: never stored in the log, keyed by (gateway, boot, connection), versioned per room (design D9)."""

import msgspec


class PresenceDiff(msgspec.Struct, frozen=True, array_like=True):
    """What changed at one gateway in one room; None for a connection that left.

    `version` counts this gateway's messages for the room; a receiver that misses one asks for the whole (`PresenceAsk`).
    `connections` maps a connection id to `{"user": ..., "presence": {...}}`.
    """

    gateway: str
    boot: str
    version: int
    whole: bool
    connections: dict[str, dict[str, object] | None]


class PresenceAsk(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Ask a gateway, or all of them with an empty name, for the whole of a room."""

    gateway: str
    asker: str
