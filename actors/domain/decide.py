"""decide(state, entry, meta): what the rules make of one op. Pure: reads the state, changes nothing, knows only the log's clock.

The runtime feeds it every op of the log in order and follows the result with `evolve`. An op that is not met in its turn is
answered and not decided (see turns).
"""

from typing import Final, NamedTuple

from actors.contract.channels import Rights, may_read
from actors.contract.decisions import Answer, Decision, Effect, Part, Refusal, Waiting, refusal
from actors.contract.errors import BadOp
from actors.contract.ops import LogEntry, Op
from actors.domain import waiting
from actors.domain.conflicts import relation_to
from actors.domain.correspondence import addressed
from actors.domain.errors import Refused
from actors.domain.items import Plan, PlannedPart
from actors.domain.kinds import judge
from actors.domain.state import ActorState, ChannelState, waiting_key
from actors.domain.turns import Turn, take_turn

#: How many clients a channel's clock names.
CLOCK_ENTRIES: Final = 16
#: What stands in these channels says who may read what.
_PERMISSION_CHANNELS: Final = frozenset({"people.everyone", "permissions.core"})
#: From this version of the rules on an op waits for those that it names.
WAITING_SINCE: Final = 3
#: Decisions by older versions were stored without their version.
_STAMPED_SINCE: Final = 3
_NEW_CHANNEL: Final = ChannelState()
_NO_PLAN: Final = Plan(())


class Meta(NamedTuple):
    """What the log says about an op: wedding and author from the subject, stream position and time from the server.

    `rules` is the version in force at the position; `skipped` says that the op has killed processes and is not decided again.
    """

    wedding: str
    principal: str
    position: int
    timestamp_ms: int
    rules: int
    skipped: bool = False


def decide(state: ActorState, entry: LogEntry, meta: Meta) -> Decision | Answer:
    """Decide one op, or answer one that is not met in its turn."""
    now_ms = max(meta.timestamp_ms, state.now_ms)
    turn = take_turn(state, entry, meta.principal, meta.position, now_ms)
    if isinstance(turn, Answer):
        return turn
    try:
        if entry.op.dependencies and meta.rules >= WAITING_SINCE:
            held = _held(state, entry, meta, turn, now_ms)
            if held is not None:
                return held
        rights, plan = judge(state, entry, meta.principal, turn.client, meta.rules, now_ms)
    except BadOp as error:
        return _decision(state, entry, meta, turn, refusal(error.code, error.message, error.remedy))
    except Refused as error:
        return _decision(state, entry, meta, turn, error.refusal)
    parts = tuple([_part(state, entry.op, meta.principal, rights, turn, planned) for planned in plan.parts])
    effects = addressed(state, plan.effects, entry.hops) if plan.effects else ()
    return _decision(state, entry, meta, turn, None, parts, effects, plan)


def _held(state: ActorState, entry: LogEntry, meta: Meta, turn: Turn, now_ms: int) -> Decision | Answer | None:
    """Let an op wait for those that it names; None when it may be judged. Raises BadOp or Refused."""
    if not turn.has_waited:
        waits = waiting.begin(state, entry, meta.principal, now_ms)
        if waits is None:
            return None
        effects = waiting.timer_for(state, waits.until_ms)
        return _decision(state, entry, meta, turn, None, effects=effects, waits=waits)
    missing = waiting.missing_for(state, meta.principal, entry.op.dependencies)
    if not missing:
        return None
    if now_ms < state.waiting[waiting_key(meta.principal, entry.op.id)].until_ms:
        return Answer(entry.op.id, meta.principal, meta.position, None, waits=True)
    return _decision(state, entry, meta, turn, waiting.refused(missing))


def decide_safely(state: ActorState, entry: LogEntry, meta: Meta) -> tuple[Decision | Answer, Exception | None]:
    """Decide; an ordinary exception becomes a decision too: `internal_error`, nothing changed, the op's number consumed.

    So does an op that is skipped. Returns the exception beside it, so that the runtime can report it and keep a copy of the op.
    """
    if meta.skipped:
        return _refused_as_fault(state, entry, meta), None
    try:
        return decide(state, entry, meta), None
    except MemoryError:
        # What a machine lacks is no property of the op: another host may decide it.
        raise
    except Exception as error:
        return _refused_as_fault(state, entry, meta), error


def _refused_as_fault(state: ActorState, entry: LogEntry, meta: Meta) -> Decision | Answer:
    turn = take_turn(state, entry, meta.principal, meta.position, max(meta.timestamp_ms, state.now_ms))
    if isinstance(turn, Answer):
        return turn
    return _decision(state, entry, meta, turn, refusal("internal_error"))


def _part(state: ActorState, op: Op, principal: str, rights: Rights, turn: Turn, planned: PlannedPart) -> Part:
    channel = state.channels.get(planned.channel, _NEW_CHANNEL)
    seen = op.base.get(planned.channel) if may_read(rights, planned.channel) else None
    relation, concurrent_with = relation_to(planned.overwritten, seen, principal, turn.client)
    clock = dict(channel.clock)
    writer = f"{principal}/{turn.client}"
    # An op that waited comes after later ones of its client; those that touched other channels are not named here.
    clock[writer] = max(clock.pop(writer, 0), turn.clock_number)
    if len(clock) > CLOCK_ENTRIES:
        del clock[next(iter(clock))]
    return Part(planned.channel, channel.sequence + 1, planned.changes, clock, relation, concurrent_with)


def _decision(
    state: ActorState,
    entry: LogEntry,
    meta: Meta,
    turn: Turn,
    refused: Refusal | None,
    parts: tuple[Part, ...] = (),
    effects: tuple[Effect, ...] = (),
    plan: Plan = _NO_PLAN,
    waits: Waiting | None = None,
) -> Decision:
    op = entry.op
    if state.waiting and waits is None:
        effects += waiting.released_by(state, op.id, meta.principal)
    return Decision(
        rev=state.rev + 1,
        position=meta.position,
        op=op.id,
        principal=meta.principal,
        client=turn.client,
        number=turn.number,
        now_ms=max(meta.timestamp_ms, state.now_ms),
        type=op.type,
        action=op.action,
        source=entry.source,
        client_version=entry.client_version,
        refusal=refused,
        parts=parts,
        permissions_changed=not _PERMISSION_CHANNELS.isdisjoint([part.channel for part in parts]),
        effects=effects,
        rules=meta.rules if meta.rules >= _STAMPED_SINCE else 0,
        undoes=str(op.data["op"]) if op.action == "undo" and refused is None else "",
        priority=plan.priority,
        said=plan.said,
        authored=plan.authored,
        waits=waits,
    )
