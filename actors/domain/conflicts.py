"""How an op stands to earlier writes of the same fields: what its event says as `causality`. Settles nothing (see disputes).

Called by `decide` for each part of a decision.
"""

from collections.abc import Iterable
from typing import Final

from actors.contract.decisions import Relation
from actors.domain.state import Write

MAX_CONCURRENT: Final = 8


def relation_to(
    overwritten: Iterable[Write], seen_sequence: int | None, principal: str, client: str
) -> tuple[Relation, tuple[str, ...]]:
    """Compare an op with the writes that it overwrites in one channel.

    `seen_sequence` is what its author had applied of the channel, None when the op does not say. Returns the relation and the ops
    that the author had not seen, own ones aside: the newest ones, in order.
    """
    if seen_sequence is None:
        return "unknown", ()
    unseen = {
        write.sequence: write.op
        for write in overwritten
        if write.sequence > seen_sequence and (write.principal != principal or write.client != client)
    }
    if not unseen:
        return "after", ()
    return "concurrent", tuple(unseen[sequence] for sequence in sorted(unseen)[-MAX_CONCURRENT:])
