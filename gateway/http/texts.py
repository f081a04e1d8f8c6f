"""Texts over HTTP: operational transform as a calculation, and a document's named versions, one by one or compared.

Changes are ops like all others (`POST .../events` with edit, name_version, restore). What is shown is what the caller may read.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from actors.contract.changes import ChannelItems
from actors.contract.channels import may_read
from actors.contract.errors import ContractError, DeltaTooLong
from actors.contract.ids import is_token
from actors.contract.text_diff import diff_content
from actors.contract.text_form import MAX_TEXT_LENGTH, content_in, read_delta
from actors.contract.text_ot import Delta, apply, growth, length_before, transform, transform_position
from gateway.errors import GatewayError, LimitMet
from gateway.http.api import API
from gateway.http.callers import Visit, body_of, json_response, visiting_at_length

#: How many deltas one calculation may go over; what it may cost is a limit of its own (`transform_steps`).
_MOST_APPLIED: Final = 1_000
#: Copying so much of a text takes as long as moving one component.
_CODE_POINTS_PER_STEP: Final = 5_000
_decode_items: Final = msgspec.json.Decoder(ChannelItems).decode

_Delta = Annotated[
    list[dict[str, object]],
    msgspec.Meta(description="Components `{retain: n}`, `{insert: text}`, `{delete: n}`; lengths are Unicode code points."),
]
_Applied = Annotated[list[_Delta], msgspec.Meta(max_length=_MOST_APPLIED)]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_LENGTH)]


class TransformRequest(msgspec.Struct, frozen=True):
    """A text, the deltas that were applied to it one after the other, and an edit that was made on the text meanwhile."""

    text: _Text
    delta: _Delta
    applied: _Applied = []
    cursor: Annotated[int, msgspec.Meta(ge=0, le=MAX_TEXT_LENGTH)] | UnsetType = UNSET


class Transformed(msgspec.Struct, omit_defaults=True):
    """The text after all of it, the edit as it was applied, and where the cursor then is."""

    text: str
    delta: _Delta
    cursor: int | UnsetType = UNSET


class Version(msgspec.Struct):
    """A named version, with its text where one is asked for alone."""

    id: str
    document: str
    name: str
    author: str
    savedAt: str  # noqa: N815  # as on the wire
    length: int
    text: str | UnsetType = UNSET
    textFormat: list[list[object]] | UnsetType = UNSET  # noqa: N815  # as on the wire


class Versions(msgspec.Struct):
    """The versions of a document that the caller may read, the oldest first."""

    versions: list[Version]


class Difference(msgspec.Struct, rename={"from_": "from"}):
    """What leads from one version to another: their delta, and how many code points it inserts and deletes."""

    from_: str
    to: str
    delta: _Delta
    inserted: int
    deleted: int


PRESENT: Final = "current"


class _Steps:
    """Counts what a calculation costs, and ends it before it costs too much: nothing else runs in this process meanwhile."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most

    def take(self, number: int) -> None:
        """Count so many that come now; raises GatewayError too_large."""
        self._left -= number
        if self._left < 0:
            raise GatewayError(
                "too_large",
                f"Moving this edit takes more than {self._most} steps.",
                "Join the applied deltas, or move the edit over fewer of them.",
                met=LimitMet("transformSteps", self._most),
            )


async def apply_operational_transform(request: web.Request) -> web.Response:
    """Move an edit over others that were applied to the same text before it, and apply it: a calculation, nothing is stored."""
    async with visiting_at_length(request):
        asked = await body_of(request, TransformRequest)
        try:
            return json_response(_transformed(asked, _Steps(request.app[API].settings.limits.transform_steps)))
        except ContractError as error:
            raise GatewayError(error.code, error.message, error.remedy) from None


def _transformed(asked: TransformRequest, steps: _Steps) -> Transformed:
    """Calculate it; raises ContractError, and GatewayError too_large.

    An edit is cut in two by what is inserted inside, so the work may grow with the square of what is sent.
    """
    steps.take(sum(map(len, (asked.delta, *asked.applied))))
    text, cursor, edit = asked.text, asked.cursor, read_delta(asked.delta)
    beyond = length_before(edit) - len(text)
    if beyond > 0:
        raise DeltaTooLong(beyond)
    for earlier in map(read_delta, asked.applied):
        steps.take(len(edit) + len(text) // _CODE_POINTS_PER_STEP)
        text, edit = apply(text, earlier), transform(edit, earlier, first=False)
        cursor = _following(cursor, earlier)
    return Transformed(apply(text, edit), _plain(edit), _following(cursor, edit))


def _following(cursor: int | UnsetType, delta: Delta) -> int | UnsetType:
    return UNSET if cursor is UNSET else transform_position(cursor, delta)


async def list_versions(request: web.Request) -> web.Response:
    """The named versions of a document, the oldest first, without their texts."""
    async with visiting_at_length(request) as visit:
        _, kept = await _document_of(request, visit)
    return json_response(Versions([_version(identifier, fields) for identifier, fields in kept]))


async def read_version(request: web.Request) -> web.Response:
    """One named version of a document, with its text."""
    async with visiting_at_length(request) as visit:
        _, kept = await _document_of(request, visit)
    fields = _named(dict(kept), request.match_info["version"])
    return json_response(_version(request.match_info["version"], fields, whole=True))


async def compare_versions(request: web.Request) -> web.Response:
    """The delta from one version of a document to another, or to what it says now (`current`, unless `to` names one)."""
    async with visiting_at_length(request) as visit:
        document, kept = await _document_of(request, visit)
    known = {**dict(kept), PRESENT: document}
    start, end = request.query.get("from", ""), request.query.get("to", PRESENT)
    delta = diff_content(*(content_in(_named(known, name), "text") for name in (start, end)))
    inserted = sum(len(component.get("insert", "")) for component in delta)
    return json_response(Difference(start, end, _plain(delta), inserted, inserted - growth(delta)))


def _plain(delta: Delta) -> list[dict[str, object]]:
    return [dict(component) for component in delta]


def _version(identifier: str, fields: dict[str, Any], *, whole: bool = False) -> Version:
    text = fields.get("text", "")
    version = Version(identifier, fields["document"], fields["name"], fields["author"], fields["savedAt"], len(text))
    if whole:
        version.text, version.textFormat = text, fields.get("textFormat", UNSET)
    return version


def _named(known: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in known:
        raise GatewayError("not_found", f"This document has no version {name[:80]!r} that you may read.", "List its versions.")
    return known[name]


async def _document_of(request: web.Request, visit: Visit) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Return a document and its versions, the oldest first; raises GatewayError not_found."""
    identifier, room = request.match_info["document"], visit.room
    if not is_token(identifier):
        raise GatewayError("bad_id", "The document's id is malformed.")
    checkpoint = await room.checkpoint(content=True, at_least=dict(room.channels))
    for channel, chunks in (checkpoint.chunks or {}).items():
        if not channel.startswith("documents.") or not may_read(visit.rights, channel):
            continue
        found: dict[Literal["documents", "versions"], dict[str, Any]] = {"documents": {}, "versions": {}}
        for chunk in chunks:
            items = _decode_items(chunk.state)
            for collection, entries in found.items():
                entries.update(items.get(collection, {}))
        if identifier in found["documents"]:
            kept = [entry for entry in found["versions"].items() if entry[1]["document"] == identifier]
            return found["documents"][identifier], sorted(kept, key=lambda entry: (entry[1]["savedAt"], entry[0]))
    raise GatewayError("not_found", "There is no such document that you may read.")
