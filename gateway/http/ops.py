"""Ops over HTTP, from body to answer after the fold: one (`POST .../events`), several (`POST .../sync`).

Every op is submitted before any answer is awaited, so that they travel together; an op's answer is the same in both routes. When
no actor answers in time, a saved op is told as saved (202), one whose fate is open as `unavailable` with an id to repeat it by.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from actors.contract.channels import may_read
from actors.contract.conflicts import COLLECTION as CONFLICTS
from actors.contract.envelopes import Envelope
from actors.contract.events import Event
from gateway.errors import GatewayError, Refused
from gateway.http.api import Api
from gateway.http.problems import error_headers, error_members, problem_members, refusal_members
from gateway.ops.submit import PresenceChange, Submitted, read_op
from gateway.rooms.room import Room

_decode_event = msgspec.json.Decoder(Event).decode


@dataclass(frozen=True, slots=True)
class OpAnswer:
    """What became of one op: a status and a body, and the headers of a problem."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] | None = None

    @property
    def is_problem(self) -> bool:
        return self.status >= 400


class _Underway:
    """An op that was submitted and waits for its outcome."""

    def __init__(self, submitted: Submitted, outcome: asyncio.Future[Envelope]) -> None:
        self.submitted = submitted
        self.outcome = outcome
        submitted.position.add_done_callback(self._on_position)

    def _on_position(self, _: asyncio.Future[int]) -> None:
        """What is surely not in the log has no outcome to wait for."""
        if _failed(self.submitted):
            self.outcome.cancel()


async def answer_ops(api: Api, room: Room, principal: str, ops: list[msgspec.Raw]) -> list[OpAnswer]:
    """Submit ops in their order and answer each, within `http_answer_timeout_seconds` altogether."""
    entered = [_enter(api, room, principal, raw) for raw in ops]
    underway = [each for each in entered if isinstance(each, _Underway)]
    if underway:
        await asyncio.wait([each.outcome for each in underway], timeout=api.settings.http_answer_timeout_seconds)
    return [_answer(room, principal, each) if isinstance(each, _Underway) else each for each in entered]


def _failed(submitted: Submitted) -> bool:
    position = submitted.position
    return position.done() and (position.cancelled() or position.exception() is not None)


def _enter(api: Api, room: Room, principal: str, raw: msgspec.Raw) -> _Underway | OpAnswer:
    """Bring one op on its way, or answer it at once."""
    try:
        op = read_op(raw, api.settings.limits)
        if isinstance(op, PresenceChange):
            api.presence.announce(room.wedding, principal, op.data, entrance="http")
            return OpAnswer(200, {"op": None, "sequences": {}})
        submitted = api.submitter.submit(room, api.authors.author_of(room.wedding, principal), op)
        api.presence.person_active(room.wedding, principal)
    except Refused as refused:
        return OpAnswer(error_members(refused)["status"], error_members(refused), error_headers(refused))
    # In the same loop turn, so no envelope can have come before.
    return _Underway(submitted, room.outcome(principal, submitted.op))


def _answer(room: Room, principal: str, underway: _Underway) -> OpAnswer:
    submitted, outcome = underway.submitted, underway.outcome
    if outcome.done() and not outcome.cancelled() and outcome.exception() is None:
        return _decided(room, principal, outcome.result())
    outcome.cancel()
    if _failed(submitted):
        return _not_saved(submitted)
    if submitted.position.done():
        return OpAnswer(202, {"op": submitted.op, "saved": True})
    detail = "The log did not answer in time; the op may still be taken."
    remedy = "Send it again under the id in `op`: a repeat is taken once and gets the same answer."
    members = problem_members("unavailable", detail, remedy, op=submitted.op)
    return OpAnswer(503, members, error_headers(GatewayError("unavailable")))


def _decided(room: Room, principal: str, envelope: Envelope) -> OpAnswer:
    if envelope.refusal is not None:
        members = refusal_members(envelope.refusal, envelope.op, envelope.next)
        return OpAnswer(members["status"], members)
    rights = room.rights(principal) or ()
    readable = [part for part in envelope.parts if may_read(rights, part.channel)]
    body: dict[str, Any] = {"op": envelope.op, "sequences": {part.channel: part.sequence for part in readable}}
    if met := [conflict for part in readable for conflict in _conflicts_in(bytes(part.event))]:
        body["conflicts"] = met
    return OpAnswer(200, body)


def _conflicts_in(event: bytes) -> list[str]:
    """The conflicts that an event records; nearly none does, so few are decoded."""
    if b'"collection":"conflicts"' not in event:
        return []
    changes = _decode_event(event).data.changes
    return [change.id for change in changes if change.collection == CONFLICTS]


def _not_saved(submitted: Submitted) -> OpAnswer:
    error = None if submitted.position.cancelled() else submitted.position.exception()
    if not isinstance(error, GatewayError):
        error = GatewayError("unavailable")
    members = problem_members(error.code, error.message, error.remedy, op=submitted.op, following=submitted.number)
    return OpAnswer(members["status"], members, error_headers(error))
