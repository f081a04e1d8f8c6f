"""What a member is told about permissions is what the rules of the fold allow: role by role, with and without adjustments."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.contract.calls import Member
from actors.contract.channels import ROLES, SECTIONS, channel_of
from actors.contract.collections import COLLECTIONS
from actors.domain import views
from gateway.http.permissions import permissions_of
from tests.support.folding import Fold, wedding_with_members

PAT = "pat"
_LABEL = {"guests": "firstName", "vendors": "name", "tables": "name", "budget": "item", "messages": "text", "people": "name"}
_AUDIENCE_FIELD = {"timeline": "visibility", "budget": "payer"}


def wedding_of(role: str, adjusted: dict[str, Any]) -> Fold:
    fold = wedding_with_members()
    fold.act("amara", "people", "insert", PAT, {"name": "Pat", "role": role})
    if adjusted:
        assert fold.act("operator", "permissions", "insert", PAT, adjusted).refusal is None
    return fold


def places(collection: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each channel in which items of a collection can live, with the fields of an item that lives there and names Pat."""
    section = "guests" if collection == "tables" else collection
    for audience in (*SECTIONS[section], f"private-{PAT}"):
        word = {"surprise-": "surprise-noemi", "payer-": PAT}.get(audience, audience)
        fields: dict[str, Any] = {_LABEL.get(collection, "title"): "x"}
        if collection in {"documents", "photos", "tasks", "messages"} or (collection == "budget" and "surprise" in word):
            fields["audience"] = word
        elif (collection, audience) == ("timeline", audience) or audience == "payer-":
            fields[_AUDIENCE_FIELD[collection]] = word
        elif audience.startswith("private"):
            continue
        names: dict[str, dict[str, Any]] = {
            "tasks": {"assignee": PAT},
            "timeline": {"vendors": [PAT]},
            "vendors": {"account": PAT},
        }
        fields.update(names.get(collection, {}))
        yield channel_of(collection, fields), fields


def does_anything(role: str, adjusted: dict[str, Any], collection: str, fields: dict[str, Any]) -> bool:
    """Whether Pat may insert such an item, or change or remove the one that is there."""
    fold = wedding_of(role, adjusted)
    author = PAT if fields.get("audience", fields.get("visibility")) == f"private-{PAT}" else "amara"
    if fold.act(PAT, collection, "insert", "own", fields).refusal is None:
        return True
    if fold.act(author, collection, "insert", "x", fields).refusal is not None:
        return False
    changes = [{name: value} for name, value in fields.items()] + [
        {"done": True},
        {"start": "2027-06-19T12:30:00Z"},
        {"notes": "x"},
    ]
    known = [each for each in changes if each.keys() <= COLLECTIONS[collection].fields.keys()]
    return any(fold.act(PAT, collection, "update", "x", change).refusal is None for change in known)


@pytest.mark.parametrize("adjusted", [{}, {"locked": ["*"]}, {"read": ["tasks"], "write": ["tasks.team:update:done"]}])
@pytest.mark.parametrize("role", ROLES[1:])
def test_what_join_says_may_be_written_is_what_the_rules_allow(role: str, adjusted: dict[str, Any]) -> None:
    """The hint for user interfaces agrees with the rules of the fold for every role and channel."""
    member: Member = views.members(wedding_of(role, adjusted).state)[PAT]
    told = permissions_of(PAT, member)["mayWrite"]
    for collection in COLLECTIONS.keys() - {"inbox", "wedding", "people", "permissions", "versions"}:
        for channel, fields in places(collection):
            section, _, audience = channel.partition(".")
            pattern = f"{section}.surprise-*" if audience.startswith("surprise-") else channel
            by_prefix = f"{section}.payer-*" if audience.startswith("payer-") else pattern
            said = told.get(collection, [])
            is_told = not {pattern, by_prefix, "*"}.isdisjoint(said)
            assert is_told == does_anything(role, adjusted, collection, fields), (collection, channel, said)
