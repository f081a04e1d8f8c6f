"""Who may write what, until the finer rules come: roles, rights, and the two questions every verb asks (docs/protocol.md).

Couple, planner and the service principals write everything they may read; others the collections whose channel they read, except
wedding, people, permissions and budget. Called by `decide` and the rules of the sections.
"""

from typing import Final

from actors.contract.channels import CORE_ROLES, SERVICE_RIGHTS, Rights, may_read, rights_of
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.domain.errors import Refused
from actors.domain.state import ActorState, find_item

_CORE_ONLY: Final = frozenset({"wedding", "people", "permissions", "budget"})
#: The role under which the service principals act.
SERVICE_ROLE: Final = "planner"


def role_of(state: ActorState, principal: str) -> str | None:
    """Return the role of a principal, None for somebody who is not in the wedding."""
    if principal in SERVICE_PRINCIPALS:
        return SERVICE_ROLE
    person = find_item(state, "people", principal)
    return None if person is None else person.fields["role"]


def rights_for(principal: str, role: str) -> Rights:
    """Return what a principal of this role may read."""
    return SERVICE_RIGHTS if principal in SERVICE_PRINCIPALS else rights_of(role, principal)


def require_write(role: str, rights: Rights, collection: str, channel: str) -> None:
    """Raise Refused unless this role may write items of the collection in this channel."""
    if role not in CORE_ROLES and collection in _CORE_ONLY:
        raise Refused("not_allowed", f"Your role ({role}) does not write {collection}.")
    if not may_read(rights, channel):
        raise Refused(
            "not_allowed", f"You do not read {channel}, so you do not write it.", "Choose an audience that you belong to."
        )
