"""What `ensureConsistency` finds: per copy of a wedding whether it agrees, and where not; and how gateways are asked for theirs.

The truth is what the stored changes give. Owners and gateways fill these; the HTTP API, `wedsync consistency` and
`wedsync verify` show them (docs/operations.md).
"""

from typing import Literal

import msgspec

Place = Literal["stored", "snapshot", "actor", "gateway", "client"]
#: Channel -> (sequence, digest).
Heads = dict[str, tuple[int, str]]
#: The head of a channel in which nothing ever happened.
NO_HEAD = (0, "0" * 16)


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One copy: `name` tells gateways and clients apart. `agrees` None: nothing is there, or nobody answered; see `reason`.

    `channels` are those that differ, as this copy has them; `repaired` says that they were brought back.
    """

    place: Place
    agrees: bool | None
    name: str = ""
    channels: Heads = {}
    reason: str = ""
    repaired: bool = False


class OwnerReport(msgspec.Struct, frozen=True):
    """What the owner found of its own copies at `rev`, and the heads that everybody else must have there."""

    rev: int
    heads: Heads
    findings: tuple[Finding, ...]


class GatewayOrder(msgspec.Struct, frozen=True):
    """To every gateway: compare your room of this wedding and its clients with these heads, and answer on `reply`."""

    wedding: str
    generation: int
    rev: int
    heads: Heads
    repair: bool
    reply: str


class GatewayAnswer(msgspec.Struct, frozen=True):
    """What one gateway found; the first of its two answers comes at once, has no findings and `more`."""

    gateway: str
    findings: tuple[Finding, ...] = ()
    more: bool = False


def differing(found: Heads, truth: Heads) -> Heads:
    """Return the channels that are not as they should be, as they were found."""
    return {
        channel: found.get(channel, NO_HEAD)
        for channel in sorted({*found, *truth})
        if found.get(channel, NO_HEAD) != truth.get(channel, NO_HEAD)
    }
