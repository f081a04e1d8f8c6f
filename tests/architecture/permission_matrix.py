"""Writes docs/permissions.md from the code: who reads and writes what, by collection, channel, action and field.

Run by `make docs`; tests compare the page with what this would write, and fold its examples. The same functions decide in the
fold and at gateways.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from actors.contract.channels import (
    ITEM_AUDIENCES,
    PRIVATE,
    ROLES,
    SECTIONS,
    SURPRISE,
    TIMELINE_AUDIENCES,
    channel_of,
    may_read,
    rights_of,
)
from actors.contract.collections import COLLECTIONS
from actors.contract.ops import ACTIONS
from actors.contract.write_rules import NAMED, NO_RELATION, OWN, write_right, write_rules_of
from tests.support.requirements import ROOT

PAGE: Final = ROOT / "docs" / "permissions.md"
#: A person with each role, and somebody else whose own channels are not theirs.
_SELF, _OTHER = "self", "other"
#: Items of `permissions` that a wedding might have: who says it, of whom, what, and what it is for.
EXAMPLES: Final[tuple[tuple[str, str, dict[str, Any], str], ...]] = (
    ("amara", "fatou", {"read": ["budget"]}, "the mother, who pays for much, sees the whole budget and changes nothing in it"),
    (
        "amara",
        "noemi",
        {"read": ["tasks.team"], "write": ["tasks.team:update:done"]},
        "the best man ticks off what the team has to do",
    ),
    ("amara", "role-guest", {"locked": ["photos", "messages"]}, "guests look, and neither write nor post pictures"),
    ("amara", "urs", {"write": ["photos.everyone:insert"]}, "but this one guest takes the photographs"),
    (
        "amara",
        "bloom",
        {"hidden": ["documents.team"], "locked": ["timeline:*:start"]},
        "one supplier sees no documents of the team and moves no time",
    ),
    (
        "amara",
        "role-friend",
        {"read": ["tasks.surprise"], "write": ["tasks.surprise:update:done", "tasks.surprise:insert"]},
        "friends take part in surprises, but for those that are for themselves",
    ),
    ("amara", "petra", {"hidden": ["budget"]}, "the planner does not see what all this costs"),
    ("amara", "role-family", {"locked": ["guests:delete", "tables:delete"]}, "the family takes nobody off the list"),
)
_OPENING = """# Permissions

Written by `make docs` from the code; do not edit. Rules of version 3; logs of versions 1 and 2 are decided as they
were. A person's role stands in the wedding (`people/<id>`), a read right is a set of [channels](protocol.md), and an
item has one channel at a time. The same rule is obeyed over WebSocket, HTTP and NATS, since it is decided where ops
are decided; a gateway cuts what it sends by the same channels. What one may not read is `not_found` to whoever names
it, what one may read and not write is `not_allowed`.

## What each role does

A cell says what the role does to an item in that channel: nothing (it does not see it), `read`, `all` (insert,
update, delete, move, every field), or the actions, with `own` for items that the person put there and `named` for
those that name the person (a task's `assignee`, an item of the timeline whose `vendors` hold the id, the row in
`vendors` with that id or `account`), and the fields in brackets where only some may be written.

"""
_SHARED = "\n".join(
    f"- {section}: " + ", ".join(f"`{each}<person>`" if each.endswith("-") else f"`{each}`" for each in audiences)
    for section, audiences in SECTIONS.items()
    if audiences
)
_AUDIENCES = """
## Audiences

{_SHARED}

- `everyone` are all members, `team` couple, planner and vendors, `core` couple and planner, `family` core and family.
- `payer-<person>` (budget): a row whose `payer` is one person. That person reads it, with the core; another payer
  takes it away from the one and gives it, whole, to the other.
- `surprise-<person>`: the team but for that person; in the budget the core but for that person. The person neither
  reads it nor opens it: the last word of everybody's rights is `-*.surprise-<the own id>`, whatever the role and
  whatever `permissions` say. The person must be a member (`bad_value` otherwise, since a slip of the pen would show
  the surprise).
- `private-<person>`: that person alone, of any role, reads and writes it; not the couple, the planner, an operator or
  an importer, and nobody can be given it. Notes of one's own are documents, tasks, messages, photos or items of the
  timeline with this audience.
- `inbox.<person>`: everybody may put something in, that person alone reads it, and nobody can be given it.

Who gives an item another audience takes it away there and puts it in here: that needs the right to delete it in the
old channel and to insert in the new one, and from then on it counts as theirs (own).

## Changing it

An item of `permissions` with the id `role-<role>` speaks of a role, one with a person's id of that person. Rights are
put together in this order, and the last that matches decides: the role, `role-<role>`, the person's item, and what
nobody changes (the own inbox and private notes, the surprises that are kept from the person). Its fields:

| field | holds | means |
|---|---|---|
| `read` | places: `budget`, `documents.family`, `timeline.surprise`, `budget.payer` | reads these as well |
| `hidden` | places | does not read these; heard after `read` |
| `write` | rules: `collection[.audience][:action[:field]][@own or @named]`, `*` for every action | writes these as well |
| `locked` | rules; `*` for every collection | does not write these; heard after `write` |
| `integrator` | true or false | is an integrator over NATS (a person's item only) |

Actions are {ACTIONS}. A word that means nothing is `bad_value`, and the remedy names what is known. A change is
effective at once, on open sockets too: what can no longer be read arrives as `withdrawn`, what can be read now as its
state.

"""
_CLOSING = """
## What cannot be changed

- Couple and planner alone write people and permissions; they keep both, and the wedding, whatever is locked (rule
  M1).
- Nothing is hidden from the couple or locked to it: between the two there are surprises (rule M2).
- Nobody gives what they do not have: neither by `permissions`, nor by taking a restriction away, nor by giving
  somebody, or themselves, a role that may do more than they may (rule M3). The operator may.
- The couple alone removes one of the couple or gives one another role; a planner adds one, and becomes one only while
  there is no couple (rule M4). The operator may.
- Fields that the server sets (`vendors.booking`, `order`) are written by no role. An integrator is a member with a
  role like any other.

`GET /api/collaboration/permissions/<wedding>` tells members what they may do, couple and planner also what others may
(`?user=<person>`).
"""


def matrix() -> str:
    """Return the whole page."""
    rows = [
        f"| {collection} | `{channel}` | " + " | ".join(_cell(role, collection, channel) for role in ROLES) + " |"
        for collection, channel in _places()
    ]
    head = "| collection | channel | " + " | ".join(ROLES) + " |\n|---|---|" + "---|" * len(ROLES) + "\n"
    actions = ", ".join(f"`{action}`" for action in sorted(ACTIONS))
    audiences = _AUDIENCES.replace("{_SHARED}", _SHARED).replace("{ACTIONS}", actions)
    return _OPENING + head + "\n".join(rows) + "\n" + audiences + "".join(_examples()) + _CLOSING


def _examples() -> Iterator[str]:
    for _, identifier, data, purpose in EXAMPLES:
        target = {"collection": "permissions", "id": identifier}
        op = {"type": "permission_update", "action": "insert", "target": target, "data": data}
        yield f"- {purpose}: `{json.dumps(op)}`\n"


def _places() -> Iterator[tuple[str, str]]:
    """Every collection with each channel that its items can live in."""
    personal = (f"{SURPRISE}{_SELF}", f"{SURPRISE}{_OTHER}", f"{PRIVATE}{_SELF}", f"{PRIVATE}{_OTHER}")
    forms: dict[str, list[dict[str, object]]] = {
        "timeline": [{"visibility": audience} for audience in (*TIMELINE_AUDIENCES, *personal)],
        **{
            name: [{"audience": audience} for audience in (*ITEM_AUDIENCES, *personal)]
            for name in ("documents", "photos", "tasks", "messages")
        },
        "budget": [{}, {"payer": _SELF}, {"payer": _OTHER}, {"audience": personal[0]}, {"audience": personal[1]}],
        "inbox": [{"person": _SELF}, {"person": _OTHER}],
    }
    for collection in COLLECTIONS:
        for fields in forms.get(collection, [{}]):
            yield collection, channel_of(collection, fields)


def _cell(role: str, collection: str, channel: str) -> str:
    is_read = may_read(rights_of(role, _SELF), channel)
    if collection == "inbox" and not is_read:
        return "insert"
    if not is_read:
        return ""
    done = {relation: _actions(role, collection, channel, relation) for relation in ("", OWN, NAMED)}
    told = [", ".join(done[""].values())] if done[""] else []
    for relation in (OWN, NAMED):
        more = [text for action, text in done[relation].items() if done[""].get(action) != text and action != "insert"]
        told += [f"{relation}: {', '.join(more)}"] if more else []
    text = "; ".join(told)
    return "all" if text == ", ".join(sorted(ACTIONS)) else text or "read"


def _actions(role: str, collection: str, channel: str, relation: str) -> dict[str, str]:
    """The actions of a role in a channel with the fields in brackets where they are not all."""
    found = {}
    for action in sorted(ACTIONS):
        relations = frozenset([relation]) if relation else NO_RELATION
        right = write_right(write_rules_of(role), collection, channel, action, relations)
        fields = sorted(field for field, allowed in right.named.items() if allowed)
        if right.others:
            found[action] = action
        elif fields and action == "update":
            found[action] = f"update ({' '.join(fields)})"
    return found


if __name__ == "__main__":
    PAGE.write_text(matrix(), encoding="utf-8")
