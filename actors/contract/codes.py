"""The closed set of outcome codes, each with its default message and remedy.

Clients branch on the code; people read the message and the remedy. `docs/errors.md` is generated from here.
A code is never renamed or reused.
"""

from typing import Final, NamedTuple


class CodeText(NamedTuple):
    """What a code says by default: one sentence of what happened, one of what to do about it."""

    message: str
    remedy: str


CODES: Final[dict[str, CodeText]] = {
    "bad_frame": CodeText(
        "The frame cannot be read.", "Send one JSON object per text frame, of a type and shape named in docs/protocol.md."
    ),
    "bad_id": CodeText(
        "An id is malformed, reserved, or bound to somebody else.",
        "Ids are one token of a-z, 0-9, '_' and '-', at most 64 long; take a client id of your own by join.",
    ),
    "bad_token": CodeText(
        "The token is missing, malformed, expired, or for another wedding.",
        "Get a new token (`wedsync token` or POST .../join) and connect again.",
    ),
    "bad_value": CodeText(
        "A value does not fit its field.", "Correct the named field and send the op again under the number in `next`."
    ),
    "unknown_type": CodeText("No such op type.", "Use one of the types listed in docs/protocol.md."),
    "type_mismatch": CodeText(
        "This op type does not write that collection.", "Use the type that owns the collection; docs/protocol.md has the table."
    ),
    "too_large": CodeText(
        "The op, frame or batch is larger than the limit.", "Send less at once; `welcome.limits` names every limit."
    ),
    "not_allowed": CodeText("Your role may not do that.", "Ask the couple or the planner."),
    "not_found": CodeText("There is no such item that you may read.", "Check the id; the item may have been removed or hidden."),
    "exists": CodeText("An item with this id exists already.", "Update it, or insert under a new id."),
    "too_many": CodeText(
        "The wedding holds as many of these as it may.", "Remove some that are no longer needed, then try again."
    ),
    "wedding_unknown": CodeText("There is no such wedding.", "Check the id, or create it with POST /api/collaboration/weddings."),
    "version_unsupported": CodeText("This protocol version is not spoken here.", "Update the client; version 1 is spoken."),
    "resend_from": CodeText("Ops before this one have not arrived.", "Send again from the number in `next`, in order."),
    "client_expired": CodeText(
        "This client has been away for longer than 30 days.", "Take a new client id by join and give unanswered ops new ids."
    ),
    "slow_down": CodeText("Too many ops at once.", "Wait `retryAfterMs`, then send again from the number in `next`."),
    "waking": CodeText("The wedding is waking up and cannot answer yet.", "Try again in a second; what you saved is safe."),
    "unavailable": CodeText("The service cannot take ops at the moment.", "Keep the op and send it again; it was not taken."),
    "dependencies_missing": CodeText(
        "Ops that this one waits for did not come in time.", "Send those first, or send this one again without naming them."
    ),
    "conflict_closed": CodeText(
        "This conflict is settled, or its time is over.", "Read the record again; change the field itself if it is wrong."
    ),
    "superseded": CodeText(
        "Somebody has written the field again since.", "Look at what stands there now and change the field itself."
    ),
    "base_too_old": CodeText(
        "The text on which this edit was made is no longer kept.", "Read the text again and make the edit anew on what it is now."
    ),
    "internal_error": CodeText("The op met a fault of ours and changed nothing.", "Report it with the op id; other ops go on."),
}
