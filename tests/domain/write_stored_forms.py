"""Writes `fixtures/stored-<n>/`: one wedding with everything that can happen to it, as today's code stores it.

`snapshot.bin` and `block-<first rev>.bin` are what stands in PostgreSQL (snapshots.state, changes.block), `expected.json` what
they must give. Whoever adds a field to a stored struct, or raises FORMAT, lets it happen in `lively_wedding`, runs
`python -P -m tests.domain.write_stored_forms N` with the next free N and commits the folder. No folder is ever changed.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from actors.contract.bookings import answer_op, span_of
from actors.contract.decisions import Resubmit, StartTimer
from actors.contract.events import instant_of
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.ops import LogEntry, Target
from actors.domain import snapshot_form, views
from actors.domain.state import ActorState
from config.cli.importer.plan import ops_toward, plan_of
from store import blocks, snapshots
from tests.importing.folders import SHIPPED
from tests.support.folding import Fold, op_of

FIXTURES = Path(__file__).parent / "fixtures"
#: Of each collection so many items; the rest of the shipped wedding would only repeat them.
_ITEMS = 3
_HOURS = {"contractStart": "2027-06-19T12:00:00Z", "contractEnd": "2027-06-19T20:00:00Z"}
_DAY_MS = 24 * 3600 * 1000
_DECISIONS_PER_BLOCK = 25


def lively_wedding() -> Fold:
    """A part of the shipped wedding, and everything that can happen to it."""
    plan = plan_of(SHIPPED)
    plan = plan._replace(items={name: dict(list(items.items())[:_ITEMS]) for name, items in plan.items.items()})
    fold = Fold(plan.wedding)
    for op in ops_toward(plan, {}):
        fold.act("import", op.target.collection, op.action, op.target.id, op.data)
    fold.act("ines", "people", "insert", "kofi", {"name": "Kofi", "role": "vendor"})
    fold.act("ines", "people", "insert", "grandma", {"name": "Grandma", "role": "family"})
    _write_items(fold)
    _type_and_take_back(fold)
    _move_between_channels(fold)
    _be_an_integrator(fold)
    _be_refused(fold)
    _use_several_clients(fold)
    _be_reminded(fold)
    _book_suppliers(fold)
    _disagree(fold)
    _wait_for_each_other(fold)
    return fold


def _write_items(fold: Fold) -> None:
    tasks: dict[str, Any] = {"title": "Candles", "done": False}
    fold.act("ines", "tasks", "insert", "candles", tasks)
    fold.act("tomasz", "tasks", "update", "candles", {"done": True}, base={"tasks.team": 1})
    fold.act("ines", "tasks", "update", "candles", {"done": False}, base={"tasks.team": 1})
    fold.act("ines", "tasks", "insert", "rings", {"title": "Rings"})
    fold.act("ines", "tasks", "move", "rings", {"after": None})
    fold.act("ines", "wedding", "update", fold.state.id, {"title": "Ines & Tomasz, at the lake"})
    fold.act("ines", "photos", "insert", "arch", {"title": "Arch"})
    fold.act("ines", "messages", "insert", "hello", {"text": "Hello, Zoë", "audience": "everyone"})
    fold.act("ines", "inbox", "insert", "m1", {"person": "tomasz", "text": "Psst"})
    fold.act("ines", "guests", "delete", "g001")
    fold.act("ines", "permissions", "insert", "beatriz", {"integrator": True})


def _type_and_take_back(fold: Fold) -> None:
    """A text that is edited, one edit of it undone, and a reminder that outlives everything."""
    fold.act("ines", "documents", "insert", "speech", {"title": "Speech"})
    text = Target("documents", "speech", "text")
    fold.act("ines", "documents", "edit", "speech", {"delta": [{"insert": "Dear all"}]}, target=text)
    cut = fold.act("ines", "documents", "edit", "speech", {"delta": [{"retain": 4}, {"delete": 4}]}, target=text)
    fold.act("ines", "documents", "undo", "speech", {"op": cut.op, "edit": "text"})
    fold.act("ines", "tasks", "insert", "anniversary", {"title": "Flowers", "remindAt": "2037-06-19T08:00:00Z"})


def _move_between_channels(fold: Fold) -> None:
    fold.act("ines", "timeline", "update", "hair", {"visibility": "core", "resource": None})
    fold.act("ines", "timeline", "update", "hair", {"visibility": "everyone"})
    fold.act("ines", "documents", "insert", "vows", {"title": "Vows", "text": "…", "audience": "core"})
    fold.act("ines", "documents", "update", "vows", {"audience": "team"})
    row = next(iter(fold.state.items["budget"]))
    fold.act("ines", "budget", "update", row, {"payer": "grandma"})


def _book_suppliers(fold: Fold) -> None:
    """Two suppliers are asked for their hours, one answers, and its hours are given back."""
    first, second, *_ = fold.state.items["vendors"]
    fold.act("ines", "vendors", "update", first, {"account": "bloom", **_HOURS})
    fold.act("ines", "vendors", "update", second, {"account": "strings", **_HOURS})
    span = span_of(_HOURS, "contractStart", "contractEnd")
    assert span is not None
    for number, booking in ((1, "clash"), (2, "confirmed")):
        answer = msgspec.structs.replace(answer_op(first, span, booking), id=f"_v-bloom:{number}")
        fold.take("_v-bloom", LogEntry(answer, "actor", hops=2))
    fold.act("ines", "vendors", "update", second, {"account": None})


def _disagree(fold: Fold) -> None:
    """Conflicts of every strategy, of whole items too, some answered, one expired, one open."""
    fold.act("ines", "people", "insert", "petra", {"name": "Petra", "role": "planner"})
    fold.act("ines", "wedding", "update", fold.state.id, {"conflictRules": {"tables.capacity": "merge_changes"}})
    row = {"item": "Cake", "estimate": 1, "deposit": 1, "currency": "CHF"}
    for number in range(3):
        fold.act("ines", "budget", "insert", f"row{number}", row)
    fold.act("ines", "tables", "insert", "long", {"name": "Long", "capacity": 10})
    fold.act("ines", "tasks", "insert", "veil", {"title": "Veil"})
    fold.now_ms += 60_000
    base = {name: channel.sequence for name, channel in fold.state.channels.items()}
    for person, amount in (("petra", 2), ("ines", 3)):
        fold.act(person, "budget", "update", "row0", {"estimate": amount, "deposit": amount}, base=base)
        fold.act(person, "budget", "update", "row1", {"deposit": amount, "notes": str(amount)}, base=base)
        fold.act(person, "tables", "update", "long", {"capacity": 10 + amount}, base=base)
        fold.act(person, "tasks", "update", "veil", {"assignee": person}, base=base, priority="high")
    fold.act("petra", "tables", "update", "long", {"capacity": 20}, base=base)
    fold.act("petra", "tasks", "delete", "veil", base=base)
    fold.act("petra", "budget", "delete", "row2", base=base)
    fold.act("ines", "budget", "update", "row2", {"estimate": 9}, base=base)
    waiting = [name for name, record in fold.state.items["conflicts"].items() if record.fields["status"] == "open"]
    fold.act("ines", "conflicts", "resolve", waiting[0], {"choice": "second"}, op_type="budget_change")
    fold.act("ines", "conflicts", "reverse", waiting[0], op_type="budget_change")
    fold.act("petra", "budget", "update", "row0", {"currency": "EUR"}, base=base)
    fold.act("ines", "budget", "update", "row0", {"currency": "USD"}, base=base)


def _wait_for_each_other(fold: Fold) -> None:
    """Ops that wait: one is released, one goes on waiting."""
    names = ["20270701-petrapad00:1"], ["20270701-nobody00:9"]
    for number, named in enumerate(names, 1):
        op = op_of(f"20270701-inespad000:{number}", "tasks", "insert", f"w{number}", {"title": "Waits"})
        fold.send("ines", msgspec.structs.replace(op, dependencies=named))
    fold.send("petra", op_of("20270701-petrapad00:1", "tasks", "insert", "w0", {"title": "Comes"}))
    for effect in fold.decisions[-1].effects:
        if isinstance(effect, Resubmit):
            fold.take(effect.principal, msgspec.json.decode(effect.body, type=LogEntry))


def _use_several_clients(fold: Fold) -> None:
    """One person on two devices, more ops than a client's outcomes are remembered, and days between them."""
    for number in range(40):
        fold.now_ms += _DAY_MS // 8
        client = "20270619-inesphone0" if number % 3 else "20270619-inesdesk00"
        fold.act("ines", "tasks", "update", "rings", {"title": f"Rings {number}"}, client=client)
        fold.act("tomasz", "tasks", "update", "candles", {"done": bool(number % 2)}, client="20270619-tomaszpad0")
    counted = fold.state.clients["20270619-tomaszpad0"].last
    base = {"tasks.team": fold.state.channels["tasks.team"].sequence}
    op = op_of(f"20270619-tomaszpad0:{counted + 1}", "tasks", "update", "candles", {"done": True}, base)
    fold.send("tomasz", op, "http")


def _be_an_integrator(fold: Fold) -> None:
    fold.send("beatriz", op_of("booking.17", "tasks", "update", "rings", {"done": True}), "nats")
    fold.send("beatriz", op_of("booking.18", "tasks", "delete", "nothing"), "nats")


def _be_reminded(fold: Fold) -> None:
    """Timers armed, armed anew, cancelled and fired, one of them twice; one is skipped, one stays armed."""
    for number, task in enumerate(("band", "cake", "cars", "kiss")):
        when = {"remindAt": instant_of(fold.now_ms + _DAY_MS + number * 1000)}
        fold.act("ines", "tasks", "insert", task, {"title": task.title(), "assignee": "kofi", **when})
    fold.act("ines", "tasks", "update", "cake", {"remindAt": instant_of(fold.now_ms + 2 * _DAY_MS), "ifMissed": "skip"})
    fold.act("ines", "tasks", "update", "cars", {"done": True})
    armings = [effect for decision in fold.decisions for effect in decision.effects if isinstance(effect, StartTimer)]
    fold.now_ms += 3 * _DAY_MS
    for arming in (armings[0], armings[0], armings[-1]):
        fold.take(TIMER_PRINCIPAL, msgspec.json.decode(arming.body, type=LogEntry))


def _be_refused(fold: Fold) -> None:
    fold.act("stranger", "tasks", "delete", "rings")
    fold.act("kofi", "budget", "insert", "b1", {"item": "Nothing of mine"})
    fold.act("grandma", "tasks", "update", "rings", {"done": True})
    fold.act("ines", "tasks", "update", "candles", {"done": "perhaps"})
    fold.act("ines", "tasks", "insert", "candles", {"title": "Again"})
    fold.act("ines", "tasks", "update", "rings", {"done": False}, base={"tasks.team": 99_999})


def _expectation(state: ActorState) -> dict[str, Any]:
    return {
        "rev": state.rev,
        "heads": views.channel_heads(state),
        "counters": {client: msgspec.to_builtins(counter) for client, counter in views.counters(state).items()},
    }


def write(folder: Path) -> None:
    """Write the files of one folder, which must not exist."""
    whole = lively_wedding()
    half = Fold(whole.state.id)
    for entry, meta in whole.log[: len(whole.log) // 2]:
        half.now_ms = meta.timestamp_ms
        half.take(meta.principal, entry)
    folder.mkdir()
    (folder / "snapshot.bin").write_bytes(snapshots.pack(snapshot_form.encode(half.state)))
    for first in range(0, len(whole.decisions), _DECISIONS_PER_BLOCK):
        decisions = whole.decisions[first : first + _DECISIONS_PER_BLOCK]
        (folder / f"block-{decisions[0].rev:04}.bin").write_bytes(blocks.pack(decisions))
    expected = {
        "wedding": whole.state.id,
        "log": [[meta.principal, meta.timestamp_ms, json.loads(msgspec.json.encode(entry))] for entry, meta in whole.log],
        "snapshot": _expectation(half.state),
        "end": _expectation(whole.state),
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write the folder whose number stands in the command line."""
    target = FIXTURES / f"stored-{int(sys.argv[1])}"
    if target.exists():
        sys.exit(f"{target} exists; stored forms are never changed")
    write(target)


if __name__ == "__main__":
    main()
