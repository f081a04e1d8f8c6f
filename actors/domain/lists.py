"""Moving in an ordered list, from version 3 of the rules on: keys stay short, and a place is found though its item has gone.

Called through the table in `rules`.
"""

from actors.contract.changes import Change
from actors.contract.channels import may_read
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request, joined, next_right_after, renumbered, writable
from actors.domain.order_keys import no_room
from actors.domain.renumbering import find_place
from actors.domain.state import find_item, grave_of


def move(request: Request) -> Plan:
    """Put the item right after another one, or where that stood before it was deleted."""
    item, target, after = writable(request), request.op.target, request.op.data["after"]
    before = None if after is None else _order_of(request, str(after))
    place = find_place(request.state, target, before, next_right_after(request, item, before))
    if place is None:
        raise no_room()
    change = Change(target.collection, target.id, set={"order": place.order})
    own = PlannedPart(item.channel, (change,), (item.last_write("order"),))
    return Plan(joined((own, *renumbered(place))))


def _order_of(request: Request, identifier: str) -> str:
    collection = request.op.target.collection
    item = find_item(request.state, collection, identifier)
    if item is None and (grave := grave_of(request.state, collection, identifier)) is not None:
        item = grave.item
    if item is None or not may_read(request.rights, item.channel):
        raise Refused("not_found", f"There is no {identifier} in {collection} that you may read.")
    order: str = item.fields["order"]
    return order
