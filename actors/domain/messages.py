"""Messages: an inbox is read by one person, but every member may put something into it. Called through the table in `rules`."""

from collections.abc import Mapping

from actors.contract.changes import Change
from actors.contract.channels import channel_of
from actors.domain import items
from actors.domain.authority import require_rule
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request
from actors.domain.order_keys import key_between
from actors.domain.state import ActorState, find_item


def insert_into_inbox(request: Request) -> Plan:
    """Leave a message in somebody's inbox; that person alone reads it."""
    if request.rules is not None:
        require_rule(request, "inbox", channel_of("inbox", request.op.data), "insert", request.op.data)
    return items.insert_unasked(request)


def into_inbox(state: ActorState, person: str, identifier: str, content: Mapping[str, str]) -> PlannedPart:
    """Leave a message of the wedding's own in somebody's inbox, at its end; an id that somebody has taken is varied."""
    while find_item(state, "inbox", identifier) is not None:
        identifier += "x"
    fields: dict[str, object] = {"person": person, **content}
    channel = channel_of("inbox", fields)
    known = state.channels.get(channel)
    try:
        fields["order"] = key_between(None if known is None else known.greatest_order.get("inbox"), None)
    except Refused:  # somebody put an item at the end of all ends
        fields["order"] = key_between(None, None)
    return PlannedPart(channel, (Change("inbox", identifier, insert=fields),))
