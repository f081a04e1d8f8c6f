"""Presence between gateways: never stored in the log, keyed by (gateway, boot, connection), versioned per room (design D9).

Gateways of two releases talk to each other while one replaces the other: members are only added, at the end, with a default.
"""

import msgspec


class PresenceRecord(msgspec.Struct, frozen=True, array_like=True):
    """What one connection of a person says; times are Unix milliseconds by the clock of its gateway, 0 for never.

    `updated_ms`: when it last said where its person is. `active_ms`: when its person last did something there. `chosen_ms`: since
    when it says the `status` that it says. `is_idle`: nothing was done there for `presence_idle_seconds`.
    """

    user: str
    updated_ms: int
    presence: dict[str, object]
    active_ms: int = 0
    chosen_ms: int = 0
    is_idle: bool = False

    def moved(self, milliseconds: int) -> "PresenceRecord":
        """The same with its times moved, for a gateway whose clock differs by so much."""
        chosen_ms = self.chosen_ms and self.chosen_ms + milliseconds
        updated_ms = self.updated_ms and self.updated_ms + milliseconds
        active_ms = self.active_ms and self.active_ms + milliseconds
        return PresenceRecord(self.user, updated_ms, self.presence, active_ms, chosen_ms, self.is_idle)


class PresenceDiff(msgspec.Struct, frozen=True, array_like=True, tag="diff"):
    """What changed at one gateway in one room; None for a connection that left.

    `version` counts this gateway's changes of the room; a receiver that misses one asks for the whole (`PresenceAsk`). `sent_ms`
    is the sender's clock, by which a receiver knows how much it differs; 0 from a release that did not tell.
    """

    gateway: str
    boot: str
    version: int
    whole: bool
    connections: dict[str, PresenceRecord | None]
    sent_ms: int = 0


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
