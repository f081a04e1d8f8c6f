"""Named versions of a document: kept, restored, and moved along when the document gets another audience.

A version is an item of the collection `versions` in its document's channel, with the whole text; the rules alone write it, a
person may rename or delete it. Versions go before their document: whoever deletes holds the most of what is remembered then, so
that the oldest of that is forgotten, and the document must not be it. Restoring is an edit like any other, so what somebody
writes meanwhile stays. Called through the table in `rules`.
"""

from typing import Any, Final

import msgspec

from actors.contract.changes import Change
from actors.contract.events import instant_of
from actors.contract.ops import Target
from actors.contract.text_form import content_in, format_field, size_of
from actors.domain import items, texts
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart, Request, writable
from actors.domain.state import ActorState, Grave, Item, find_item, grave_of, sequence_of

COLLECTION: Final = "versions"
#: Constants of the rules: how many versions of one document are kept, and the bytes of their texts together.
MAX_VERSIONS: Final = 50
MAX_BYTES: Final = 400_000
_FORMAT: Final = format_field("text")
_TEXT: Final = ("text", _FORMAT)


def name_version(request: Request) -> Plan:
    """Keep the document as it is now under a name; `version` is its id, else the server makes one."""
    item, target, data = writable(request), request.op.target, request.op.data
    _require_room(request.state, target.id, size_of(item.fields, "text"))
    identifier = str(data.get("version") or _free_id(request.state, item))
    if find_item(request.state, COLLECTION, identifier) is not None:
        raise Refused("exists")
    fields: dict[str, Any] = {"document": target.id, "name": data["name"], "author": request.principal}
    fields["savedAt"] = instant_of(request.now_ms)
    fields |= {field: item.fields[field] for field in (*_TEXT, "audience") if field in item.fields}
    return Plan((PlannedPart(item.channel, (Change(COLLECTION, identifier, insert=fields),)),))


def restore(request: Request) -> Plan:
    """Give the document the text of a version."""
    item, target = writable(request), request.op.target
    version = versions_of(request.state, target.id).get(str(request.op.data["version"]))
    if version is None:
        raise Refused("not_found", "This document has no such version.")
    return texts.replaced_content(request, item, "text", content_in(version.fields, "text"))


def update(request: Request) -> Plan:
    """Set fields of a document; its versions stay in its channel."""
    plan = texts.update(request)
    if len(plan.parts) == 1:
        return plan
    leaves, arrives = plan.parts
    moved = plan.parts[1].changes[0].insert
    audience = moved.get("audience") if isinstance(moved, dict) else None
    kept = versions_of(request.state, request.op.target.id)
    gone = tuple(Change(COLLECTION, identifier, remove=True) for identifier in kept)
    there = tuple(Change(COLLECTION, identifier, insert=_for_audience(kept[identifier], audience)) for identifier in kept)
    return plan._replace(
        parts=(
            leaves._replace(changes=gone + leaves.changes),
            arrives._replace(changes=there + arrives.changes),
        )
    )


def delete(request: Request) -> Plan:
    """Take a document away, and its versions with it."""
    plan = items.delete(request)
    gone = tuple(Change(COLLECTION, identifier, remove=True) for identifier in versions_of(request.state, request.op.target.id))
    part = plan.parts[0]
    return plan._replace(parts=(part._replace(changes=gone + part.changes),))


def revive_document(request: Request) -> Plan:
    """Bring a deleted document back with its format and the versions that went with it."""
    grave = grave_of(request.state, request.op.target.collection, request.op.target.id)
    plan = items.revive(items.insert, request)
    if grave is None:
        return plan
    part, *others = plan.parts
    change, *renumbered = part.changes
    fields = {**change.insert} if isinstance(change.insert, dict) else {}
    if "text" not in request.op.data and _FORMAT in grave.item.fields:
        fields[_FORMAT] = grave.item.fields[_FORMAT]
    kept = [(key.partition("/")[2], each.item) for key, each in request.state.graves.items() if _went_with(grave, key, each)]
    changes = [Change(COLLECTION, name, insert=_for_audience(item, fields.get("audience"))) for name, item in kept]
    document = Change(change.collection, change.id, insert=fields)
    return plan._replace(parts=(part._replace(changes=(document, *changes, *renumbered)), *others))


def revive(request: Request) -> Plan:
    """Bring a deleted version back, whoever may edit its document."""
    buried = items.buried(request)
    document = Target("documents", buried.fields["document"])
    author = request._replace(op=msgspec.structs.replace(request.op, action="restore", target=document))
    channel = writable(author).channel
    _require_room(request.state, document.id, size_of(buried.fields, "text"))
    whole = _for_audience(buried, writable(author).fields.get("audience")) | request.op.data
    return Plan((PlannedPart(channel, (Change(COLLECTION, request.op.target.id, insert=whole),)),))


def versions_of(state: ActorState, document: str) -> dict[str, Item]:
    """Return the versions of a document, by id."""
    versions = state.items.get(COLLECTION, {})
    return {identifier: item for identifier, item in versions.items() if item.fields["document"] == document}


def _require_room(state: ActorState, document: str, size: int) -> None:
    kept = versions_of(state, document)
    taken = sum(size_of(version.fields, "text") for version in kept.values())
    if len(kept) >= MAX_VERSIONS or taken + size > MAX_BYTES:
        message = f"A document keeps at most {MAX_VERSIONS} versions with {MAX_BYTES} bytes of text together."
        raise Refused("too_many", message, "Delete a version that is no longer needed.")


def _went_with(document: Grave, key: str, grave: Grave) -> bool:
    """Tell whether a deleted item is a version that the end of its document took along."""
    collection, _, _ = key.partition("/")
    return collection == COLLECTION and grave.write == document.write


def _for_audience(version: Item, audience: object) -> dict[str, Any]:
    fields = {field: value for field, value in version.fields.items() if field != "audience"}
    return fields | ({} if audience is None else {"audience": audience})


def _free_id(state: ActorState, item: Item) -> str:
    """Return an id made of the place in the channel's history, which its readers know anyway."""
    number = sequence_of(state, item.channel) + 1
    while find_item(state, COLLECTION, f"v{number}") is not None:
        number += 1
    return f"v{number}"
