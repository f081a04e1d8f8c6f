"""What a user interface is told about a member's permissions, so that it can hide what would be refused.

A hint: whether an op is allowed is decided in the wedding (actors.domain.authority) by the same rules and functions, and a test
compares the two. Told by join and by `GET .../permissions`; who manages the wedding may ask about others.
"""

from typing import Any, Final

from aiohttp import web

from actors.contract.calls import Member
from actors.contract.channels import CORE_ROLES, PAYER, PRIVATE, SECTIONS, SERVICE_RIGHTS, Rights, may_read, section_of
from actors.contract.collections import COLLECTIONS
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.contract.ops import ACTIONS
from actors.contract.write_rules import EVERY_RELATION, NO_RELATION, SERVICE_RULES, WriteRules, write_right
from gateway.errors import GatewayError
from gateway.http.callers import json_response, visiting
from gateway.rooms.room import Room

#: Sections in which everybody may keep notes of their own.
_WITH_PRIVATE: Final = frozenset({"timeline", "documents", "photos", "tasks", "messages"})


async def permissions(request: web.Request) -> web.Response:
    """What the caller may read and write, or, for couple and planner, what somebody else may."""
    async with visiting(request) as (claims, room, _):
        user = request.query.get("user", claims.principal)
        manages = claims.principal in SERVICE_PRINCIPALS or room.role(claims.principal) in CORE_ROLES
        if user != claims.principal and not manages:
            raise GatewayError("not_allowed", "Only couple and planner see what others may do.", "Leave `user` out.")
        return json_response(permissions_in(room, user))


def permissions_in(room: Room, person: str) -> dict[str, Any]:
    """See `permissions_of`; raises GatewayError `not_found` for somebody who is not in the wedding."""
    member = room.members.get(person)
    if person in SERVICE_PRINCIPALS:
        member = Member(room.role(person) or "", SERVICE_RIGHTS, SERVICE_RULES)
    if member is None:
        raise GatewayError("not_found", "There is no such member.", "Name a member by the id in `people`.")
    return permissions_of(person, member)


def permissions_of(person: str, member: Member) -> dict[str, Any]:
    """`{role, mayRead: [patterns], mayWrite: {collection: [channels it may write in, or "*"]}, rules: [write rules]}`.

    `mayWrite` names a channel where anything may be done in it, if only to the own items; `rules` say what exactly.
    """
    may_write = {collection: _writable(person, member, collection) for collection in sorted(COLLECTIONS)}
    return {
        "role": member.role,
        "mayRead": list(member.rights),
        "mayWrite": {collection: channels for collection, channels in may_write.items() if channels},
        "rules": list(member.rules),
    }


def _writable(person: str, member: Member, collection: str) -> list[str]:
    if collection == "inbox" or (member.role in CORE_ROLES and not any(rule.startswith("-") for rule in member.rules)):
        return ["*"] if _does_something(member.rules, collection, f"inbox.{person}") else []
    return [
        channel for channel in _channels(person, member.rights, collection) if _does_something(member.rules, collection, channel)
    ]


def _channels(person: str, rights: Rights, collection: str) -> list[str]:
    """The channels of a collection that somebody reads; those of many persons as patterns."""
    section = section_of(collection)
    known = [f"{section}.{audience}*" if audience.endswith("-") else f"{section}.{audience}" for audience in SECTIONS[section]]
    own = [f"{section}.{PRIVATE}{person}"] if section in _WITH_PRIVATE else []
    paid = [f"{section}.{PAYER}{person}"] if section == "budget" and not may_read(rights, "budget.payer-*") else []
    return [channel for channel in (*known, *own, *paid) if may_read(rights, channel)]


def _does_something(rules: WriteRules, collection: str, channel: str) -> bool:
    rights = (
        write_right(rules, collection, channel, action, EVERY_RELATION if action != "insert" else NO_RELATION)
        for action in sorted(ACTIONS)
    )
    return any(right.others or any(right.named.values()) for right in rights)
