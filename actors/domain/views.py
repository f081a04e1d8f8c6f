"""What others ask of a wedding's state: members, channels, items, counters. Read only; called by the runtime, `verify` and tests.

Items are handed out as they are, not copied: encode them before the next `evolve`.
"""

from actors.contract import digest
from actors.contract.calls import ClientCounter, Member
from actors.contract.changes import ChannelItems
from actors.contract.channels import Rights
from actors.domain.authority import rights_for, rules_for
from actors.domain.state import ActorState


def members(state: ActorState) -> dict[str, Member]:
    """Return every member's role, read rights and write rules."""
    people = state.items.get("people", {})
    return {person: _member(state, person, item.fields["role"]) for person, item in people.items()}


def _member(state: ActorState, person: str, role: str) -> Member:
    return Member(role, rights_for(state, person, role), rules_for(state, person, role))


def integrators(state: ActorState) -> dict[str, Rights]:
    """Return the members who publish and listen over NATS, with what they may read."""
    marked = state.items.get("permissions", {})
    return {
        principal: member.rights
        for principal, member in members(state).items()
        if principal in marked and marked[principal].fields.get("integrator") is True
    }


def channel_heads(state: ActorState) -> dict[str, tuple[int, str]]:
    """Return every channel's sequence and digest."""
    return {name: (channel.sequence, digest.to_hex(channel.digest)) for name, channel in state.channels.items()}


def heads_from_scratch(state: ActorState) -> dict[str, tuple[int, str]]:
    """Return every channel's sequence, and its digest computed from the items and not from what the state keeps as it goes."""
    items = items_by_channel(state)
    return {name: (channel.sequence, digest.channel_digest(items[name])) for name, channel in state.channels.items()}


def channel_items(state: ActorState, channel: str) -> ChannelItems:
    """Return one channel's items."""
    return items_by_channel(state).get(channel, {})


def items_by_channel(state: ActorState) -> dict[str, ChannelItems]:
    """Return the items of every channel that exists, in one pass; an emptied channel has none."""
    channels: dict[str, ChannelItems] = {name: {} for name in state.channels}
    for collection, items in state.items.items():
        for identifier, item in items.items():
            channels[item.channel].setdefault(collection, {})[identifier] = item.fields
    return channels


def counters(state: ActorState) -> dict[str, ClientCounter]:
    """Return to whom each client is bound and the last number taken of it."""
    return {client: ClientCounter(known.principal, known.last) for client, known in state.clients.items()}
