"""Documents in a folded wedding, told in verbs: who edits what text, having seen how much of it.

Called by tests of the domain and by the campaign of `make soak`.
"""

from typing import Any

from actors.contract.collections import COLLECTIONS
from actors.contract.decisions import Decision
from actors.contract.ops import Op, Target
from actors.contract.text_ot import Delta
from tests.support.folding import Fold, wedding_with_members

CHANNEL = "documents.team"


def vows(text: str = "I take you") -> Fold:
    """A wedding with members and one document `vows`, which the team reads."""
    fold = wedding_with_members()
    fold.act("amara", "documents", "insert", "vows", {"title": "Vows", "text": text})
    return fold


def text_of(fold: Fold, identifier: str = "vows") -> str:
    """The text as it stands."""
    text: str = fold.item("documents", identifier).get("text", "")
    return text


def seen(fold: Fold, channel: str = CHANNEL) -> int:
    """The channel's sequence now."""
    return fold.state.channels[channel].sequence


def edit_field(
    fold: Fold,
    who: str,
    data: dict[str, Any],
    base: int | None = None,
    *,
    collection: str = "documents",
    identifier: str = "vows",
    field: str = "text",
    channel: str = CHANNEL,
) -> Decision:
    """Let a member's client send its next edit of a field."""
    client = f"20270619-{who}0000"
    known = fold.state.clients.get(client)
    number = (known.last if known else 0) + 1
    claims = {} if base is None else {channel: base}
    target = Target(collection, identifier, field)
    outcome = fold.send(who, Op(COLLECTIONS[collection].type, "edit", target, f"{client}:{number}", data, claims))
    assert isinstance(outcome, Decision), outcome
    fold._numbers[client] = number
    return outcome


def edit_text(fold: Fold, who: str, delta: Delta, base: int | None = None) -> Decision:
    """Let a member's client edit the vows."""
    return edit_field(fold, who, {"delta": delta}, base)
