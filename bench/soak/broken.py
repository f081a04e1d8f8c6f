"""WedSync broken on purpose, so that the checker can be seen to find it: one function for each way, chosen by name.

Called by `altered` inside the processes of a self-test, before the product's modules bind the names that are replaced here.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace


def alter(name: str) -> None:
    """Break this process in the named way; "" breaks nothing."""
    if name:
        _WAYS[name]()


def _acknowledge_before_storing() -> None:
    """Streams of `persist_mode: async`: the server says that it has what it has not written."""
    from store import streams

    make = streams._stream  # noqa: SLF001  # the one place where every stream is described

    def careless(name: str, description: str, subjects: list[str], settings: Any, **config: Any) -> dict[str, Any]:
        stream = {**make(name, description, subjects, settings, **config), "persist_mode": "async"}
        # The server refuses both together; the gateway then publishes op by op.
        stream.pop("allow_atomic", None)
        return stream

    streams._stream = careless  # noqa: SLF001  # as above


def _decide_repeats_again() -> None:
    """A fold without memory of what it has decided."""
    from actors.contract.decisions import Answer
    from actors.contract.ids import parse_op_id
    from actors.domain import decide, turns

    def take_turn(state: Any, entry: Any, principal: str, position: int, now_ms: int) -> Any:
        turn = turns.take_turn(state, entry, principal, position, now_ms)
        if not isinstance(turn, Answer) or entry.source not in ("websocket", "http"):
            return turn
        client, number = parse_op_id(entry.op.id)
        known = state.clients.get(client)
        return turns.Turn(client, number, number) if known is not None and number <= known.last else turn

    decide.take_turn = take_turn  # type: ignore[attr-defined]  # the name that decide calls


def _read_the_clock() -> None:
    """A rule that asks the machine for the time: whoever decides the op again decides otherwise."""
    from actors.contract.decisions import Decision
    from actors.domain import decide

    honest = decide.decide

    def decide_by_clock(state: Any, entry: Any, meta: Any) -> Any:
        outcome = honest(state, entry, meta)
        if not isinstance(outcome, Decision) or outcome.refusal is not None:
            return outcome
        return replace(outcome, parts=tuple(_stamped(part) for part in outcome.parts))

    decide.decide = decide_by_clock


def _stamped(part: Any) -> Any:
    changes = [
        replace(change, set={**change.set, "durationMin": time.time_ns() % 1_000_000})
        if change.collection == "timeline" and change.set is not UNSET
        else change
        for change in part.changes
    ]
    return replace(part, changes=tuple(changes))


def _show_everything() -> None:
    """A gateway that asks nobody's rights."""
    import sys

    from actors.contract import channels

    if sys.argv[1] == "gateway":
        channels.may_read = lambda _rights, _channel: True  # type: ignore[assignment]  # a broken one


def _strike_timers_unsent() -> None:
    """A host that takes timers for scheduled which it never sent."""
    from store import timer_stream

    async def put(*_arguments: Any) -> None:
        return

    timer_stream.put = put  # type: ignore[assignment]  # a broken one


def _misunderstand() -> None:
    """Ops that wait for nothing, edits of texts that are not moved, undo over later edits, and answers the wrong way round."""
    # What others import from is replaced first.
    from actors.domain import text_window

    place = text_window.placed

    def unmoved(window: Any, length: int, author: str, base: int | None, delta: Any, **bound: Any) -> Any:
        del base
        return place(window, length, author, None, delta, **bound)

    text_window.placed = unmoved
    from actors.domain import resolutions, undo, waiting

    answered, other = resolutions._answered, {"first": "second", "second": "first"}  # noqa: SLF001  # where both verbs meet
    resolutions._answered = lambda verb_of, request, record, choice, status: answered(  # noqa: SLF001  # as above
        verb_of, request, record, other.get(choice, choice), status
    )
    undo.fields_left = lambda undone, item, values: dict(values)  # noqa: ARG005  # who wrote is not asked
    waiting.missing_for = lambda *_arguments: []


_WAYS: Final[dict[str, Callable[[], None]]] = {
    "async": _acknowledge_before_storing,
    "dedupe": _decide_repeats_again,
    "clock": _read_the_clock,
    "rights": _show_everything,
    "timers": _strike_timers_unsent,
    "verbs": _misunderstand,
}
