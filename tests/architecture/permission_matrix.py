"""Writes docs/permissions.md from the code: for each role and channel whether its items are read or written.

Run by `make docs`; a test compares the page with what this would write. The same functions decide in the fold and at gateways.
"""

from collections.abc import Iterator

from actors.contract.channels import ITEM_AUDIENCES, ROLES, TIMELINE_AUDIENCES, channel_of, may_read
from actors.contract.collections import COLLECTIONS
from actors.domain.authority import require_write, rights_for
from actors.domain.errors import Refused
from tests.support.requirements import ROOT

PAGE = ROOT / "docs" / "permissions.md"
#: A person with each role, and somebody else whose own channels are not theirs.
_SELF, _OTHER = "self", "other"
_OPENING = """# Permissions

Written by `make docs` from the code; do not edit. A person's role stands in the wedding (`people/<id>`), a read right is a set of
[channels](protocol.md), and an item has one channel at a time. The same rule is obeyed over WebSocket, HTTP and NATS, since it
is decided where ops are decided; a gateway cuts what it sends by the same channels. `write` includes reading. What one may not
read is `not_found` to whoever names it, what one may read and not write is `not_allowed`.

"""
_CLOSING = """
Into somebody's inbox every member may insert; nobody else reads it. Fields that the server sets (`vendors.booking`, `order`) are
written by no role. An integrator is a member with a role like any other.
"""


def matrix() -> str:
    """Return the whole page."""
    rows = [
        f"| {collection} | `{channel}` | " + " | ".join(_cells(collection, channel)) + " |" for collection, channel in _places()
    ]
    head = "| collection | channel | " + " | ".join(ROLES) + " |\n|---|---|" + "---|" * len(ROLES) + "\n"
    return _OPENING + head + "\n".join(rows) + "\n" + _CLOSING


def _places() -> Iterator[tuple[str, str]]:
    """Every collection with each channel that its items can live in."""
    forms: dict[str, list[dict[str, object]]] = {
        "timeline": [{"visibility": audience} for audience in TIMELINE_AUDIENCES],
        **{name: [{"audience": audience} for audience in ITEM_AUDIENCES] for name in ("documents", "photos", "messages")},
        "budget": [{}, {"payer": _SELF}, {"payer": _OTHER}],
        "inbox": [{"person": _SELF}, {"person": _OTHER}],
    }
    for collection in COLLECTIONS:
        for fields in forms.get(collection, [{}]):
            yield collection, channel_of(collection, fields)


def _cells(collection: str, channel: str) -> Iterator[str]:
    for role in ROLES:
        rights = rights_for(_SELF, role)
        if not may_read(rights, channel):
            yield ""
            continue
        try:
            require_write(role, rights, collection, channel)
        except Refused:
            yield "read"
        else:
            yield "write"


if __name__ == "__main__":
    PAGE.write_text(matrix(), encoding="utf-8")
