"""Writes `fixtures/history-<n>.json`: one wedding with every collection, action and source, as the shapes of today write it.

Run once per version of the shapes: `python -P -m tests.domain.write_history N`; files that exist are left alone.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from actors.domain import snapshot_form, views
from config.cli.importer.plan import ops_toward, plan_of
from tests.importing.folders import SHIPPED
from tests.support.folding import Fold, op_of

#: Of each collection so many items; the rest of the shipped wedding would only repeat them.
_ITEMS = 3


def lively_wedding() -> Fold:
    """A part of the shipped wedding, and everything that can happen to it."""
    plan = plan_of(SHIPPED)
    plan = plan._replace(items={name: dict(list(items.items())[:_ITEMS]) for name, items in plan.items.items()})
    fold = Fold(plan.wedding)
    for op in ops_toward(plan, {}):
        fold.act("import", op.target.collection, op.action, op.target.id, op.data)
    tasks: dict[str, Any] = {"title": "Candles", "done": False}
    fold.act("ines", "tasks", "insert", "candles", tasks)
    fold.act("tomasz", "tasks", "update", "candles", {"done": True}, base={"tasks.team": 1})
    fold.act("ines", "tasks", "update", "candles", {"done": False}, base={"tasks.team": 1})
    fold.act("ines", "tasks", "insert", "rings", {"title": "Rings"})
    fold.act("ines", "tasks", "move", "rings", {"after": None})
    fold.act("ines", "timeline", "update", "hair", {"visibility": "core", "resource": None})
    fold.act("ines", "documents", "insert", "vows", {"title": "Vows", "text": "…", "audience": "core"})
    fold.act("ines", "photos", "insert", "arch", {"title": "Arch"})
    fold.act("ines", "messages", "insert", "hello", {"text": "Hello", "audience": "everyone"})
    fold.act("ines", "inbox", "insert", "m1", {"person": "tomasz", "text": "Psst"})
    fold.act("ines", "permissions", "insert", "beatriz", {"integrator": True})
    fold.act("ines", "guests", "delete", "g001")
    fold.act("stranger", "tasks", "delete", "rings")
    fold.send("beatriz", op_of("booking.17", "tasks", "update", "rings", {"done": True}), "nats")
    fold.send("beatriz", op_of("booking.18", "tasks", "delete", "nothing"), "nats")
    return fold


def main() -> None:
    """Write the file."""
    target = Path(__file__).parent / "fixtures" / f"history-{int(sys.argv[1])}.json"
    if target.exists():
        sys.exit(f"{target} exists; histories are never changed")
    fold = lively_wedding()
    content = {
        "wedding": fold.state.id,
        "log": [json.loads(msgspec.json.encode(entry)) for entry, _ in fold.log],
        "decisions": [msgspec.msgpack.encode(decision).hex() for decision in fold.decisions],
        "snapshot": snapshot_form.encode(fold.state).hex(),
        "heads": views.channel_heads(fold.state),
        "counters": {client: msgspec.to_builtins(counter) for client, counter in views.counters(fold.state).items()},
    }
    target.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
