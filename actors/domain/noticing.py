"""What the author of an op had not seen: writes of others that the op meets (design.md, section 4, "Conflict").

An author says so by `base`. Who makes no claim is taken to be unaware of what somebody else wrote within the last five seconds. A
client knows its own writes, whatever it claims, as it said them. Pure. Called by `disputes`.
"""

from collections.abc import Iterable
from typing import Any, Final

from actors.contract.channels import may_read
from actors.contract.errors import ContractError
from actors.contract.ids import parse_op_id
from actors.domain.items import Request
from actors.domain.merging import UNKNOWN
from actors.domain.state import Grave, Item, Past, Write

#: How long a write goes unnoticed by whoever says nothing of what they had seen.
CLAIMLESS_MS: Final = 5_000


def unseen_write(request: Request, item: Item, field: str) -> Write | None:
    """Return the last write of a field if it is another client's and the op's author had not seen it."""
    write, claim = item.writes.get(field), _claim(request, item.channel)
    if write is None and item.origin is not None:
        write, claim = item.origin.last_write(field), _claim_before_move(request, item, claim)
    elif write is not None and claim is None and item.origin is not None:
        claim = _claim(request, item.origin.channel)
        if claim is not None:
            # Who still saw the item at its old place has seen nothing of what happened to it at the new one.
            return None if claim >= item.origin.sequence else _of_other(request, write)
    if claim is None:
        return _unclaimed(request, item.writes.get(field))
    write = item.inserted if write is None else write
    return _of_other(request, write) if write.sequence > claim else None


def said_later(request: Request, item: Item, fields: Iterable[str]) -> set[str]:
    """Return those of the fields that a later op of the same client has written: only an op that has waited meets any."""
    return {field for field in fields if _is_later(request, item.writes.get(field) or (item.origin or item).last_write(field))}


def _is_later(request: Request, write: Write) -> bool:
    try:
        own, other = parse_op_id(request.op.id), parse_op_id(write.op)
    except ContractError:
        # The ids of integrators say nothing of their order.
        return False
    return write.principal == request.principal and other.client == own.client and other.number > own.number


def unseen_burial(request: Request, grave: Grave) -> bool:
    """Tell whether the op's author may have read the item and had not seen that somebody else deleted it."""
    if not may_read(request.rights, grave.item.channel):
        return False
    claim = _claim(request, grave.item.channel)
    if claim is None:
        return _unclaimed(request, grave.write) is not None
    return grave.write.sequence > claim and _of_other(request, grave.write) is not None


def value_at_claim(request: Request, item: Item, field: str) -> Any:
    """Return the value from which the author began: what its client said last, or else what stood there at its claim."""
    claim = _claim(request, item.channel)
    known = (*item.past.get(field, ()), Past(item.last_write(field), item.fields.get(field)))
    for past in reversed(known):
        if _of_other(request, past.write) is None and (claim is None or past.write.sequence > claim):
            return past.value if past.write.said is None else past.write.said
    if claim is None:
        return UNKNOWN
    return next((past.value for past in reversed(known) if past.write.sequence <= claim), UNKNOWN)


def _claim(request: Request, channel: str) -> int | None:
    return request.op.base.get(channel) if may_read(request.rights, channel) else None


def _claim_before_move(request: Request, item: Item, claim: int | None) -> int | None:
    """Return what the author had seen of the channel that the item came from; everything, if they saw it arrive."""
    origin = item.origin
    if origin is None or (claim is not None and claim >= item.inserted.sequence):
        return origin.sequence if origin is not None else claim
    return _claim(request, origin.channel)


def _unclaimed(request: Request, write: Write | None) -> Write | None:
    if write is None or write.principal == request.principal or request.now_ms - write.at_ms > CLAIMLESS_MS:
        return None
    return write


def _of_other(request: Request, write: Write) -> Write | None:
    is_own = write.client == request.client and write.principal == request.principal
    return None if is_own else write
