"""What ops that are more than an update came to: dependencies, conflicts and their answers, undo, edits of texts. Pure.

The stored decisions of one wedding are followed in their order, by what their events say and what their authors asked for; what
an op should have done is reckoned here anew and calls no rule of the product. Called by `stored`, and by tests with made-up ones.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from actors.contract.changes import Change, merge_fields
from actors.contract.decisions import Decision
from bench.soak.history import MARK, Entry
from bench.soak.wording import Edit, Wording, delta_of

#: What is about other items, or is somebody's own.
_BESIDE: Final = frozenset({"conflicts", "inbox"})
ANSWERS: Final = {"resolve": ("resolved", {"open"}), "reverse": ("reversed", {"decided", "resolved", "expired"})}
_OTHER: Final = {"first": "second", "second": "first"}
#: Refusals that need not wait for what an op names.
_AT_ONCE: Final = frozenset({"dependencies_missing", "too_many"})

Place = tuple[str, str]
Fields = dict[str, Any]
Touched = dict[Place, tuple[Fields | None, Fields | None]]
Name = tuple[str, str]


class Meanings:
    """See the module: `follow` every decision of one wedding; `offences` are what was found."""

    def __init__(self, wedding: str, history: Iterable[Entry]) -> None:
        self.offences: list[str] = []
        self._wedding = wedding
        asks, marks = {}, {}
        for entry in history:
            if entry.wedding == wedding and entry.mark:
                if entry.kind == "invoke":
                    asks[entry.mark] = entry.asks
                elif entry.kind in ("saved", "applied", "queued"):
                    marks[entry.op] = entry.mark
        self._asks, self._marks = asks, marks
        self._items: dict[Place, Fields] = {}
        #: Who wrote each field last, and what each op found and left.
        self._writers: dict[Place, dict[str, Name]] = {}
        self._done: dict[Name, Touched] = {}
        self._decided: set[str] = set()
        #: What each op that waits has named.
        self._waiting: dict[str, Collection[str]] = {}
        self._texts: dict[str, Wording] = {}

    def follow(self, decision: Decision) -> None:
        """Follow the next decision and judge it."""
        self.offences += [f"{offence}, in {self._wedding} at position {decision.position}" for offence in self._judge(decision)]

    def _judge(self, decision: Decision) -> Iterator[str]:
        asked = self._asked(decision)
        yield from self._too_early(decision, asked.get("dependencies", ()))
        if decision.waits is not None:
            self._waiting[decision.op] = decision.waits.dependencies
            return
        self._waiting.pop(decision.op, None)
        self._decided.add(decision.op)
        if decision.refusal is not None:
            return
        changes = [change for part in decision.parts for change in part.changes]
        touched = self._apply(changes)
        if decision.undoes:
            yield from self._undone_wrongly(decision, touched)
        for place, (old, new) in touched.items():
            if place[0] == "conflicts" and new is not None:
                yield from self._recorded_wrongly(decision, place[1], old, new, asked)
        for part in decision.parts:
            for change in part.changes:
                if (delta := delta_of(change)) is not None and change.id in self._texts:
                    edit = Edit(decision.op, decision.undoes, part.sequence, delta)
                    yield from self._texts[change.id].follow(edit, asked)
        self._remember(decision, touched)

    def _asked(self, decision: Decision) -> Mapping[str, Any]:
        """What the author asked for, found by the op's id or by its mark, which no other op wrote."""
        return self._asks.get(self._marks.get(decision.op) or _mark_of(decision), {})

    def _too_early(self, decision: Decision, named: Collection[str]) -> Iterator[str]:
        missing = [name for name in named if name not in self._decided]
        code = "" if decision.refusal is None else decision.refusal.code
        if decision.op in named:
            if code != "bad_value":
                yield f"early: {decision.op} names itself, for which it can wait for ever, and was not refused for that"
            return
        if self._is_waited_for(decision.op, missing):
            if decision.refusal is None:
                yield f"early: {decision.op} names an op that waits for it, and was not refused for that"
            return
        if missing and decision.waits is None and code not in _AT_ONCE:
            yield f"early: {decision.op} was decided before {', '.join(missing)}, for which it should wait"
        if not missing and (decision.waits is not None or code == "dependencies_missing"):
            yield f"early: {decision.op} waits for ops that were decided before it"

    def _is_waited_for(self, op: str, named: Iterable[str]) -> bool:
        """Whether one of the named waits for the op, also over others."""
        reached = set(named)
        while further := {name for each in reached for name in self._waiting.get(each, ())} - reached:
            reached |= further
        return op in reached

    def _apply(self, changes: Iterable[Change]) -> Touched:
        before: dict[Place, Fields | None] = {}
        removed: set[Place] = set()
        for change in changes:
            place = change.collection, change.id
            before.setdefault(place, dict(self._items[place]) if place in self._items else None)
            if isinstance(change.insert, dict):
                self._items[place] = dict(change.insert)
                removed.discard(place)
                if place[0] == "documents":
                    self._texts.setdefault(place[1], Wording(place[1], str(change.insert.get("text", ""))))
            elif change.remove is True:
                removed.add(place)
            elif isinstance(change.set, dict) and place in self._items:
                merge_fields(self._items[place], change.set)
        for place in removed:
            # An item that moves is removed from one channel and inserted in another, in either order of the parts.
            if not any(isinstance(each.insert, dict) and (each.collection, each.id) == place for each in changes):
                self._items.pop(place, None)
        return {place: (old, dict(self._items[place]) if place in self._items else None) for place, old in before.items()}

    def _remember(self, decision: Decision, touched: Touched) -> None:
        name = decision.principal, decision.op
        self._done[name] = {place: both for place, both in touched.items() if place[0] not in _BESIDE}
        for place, (old, new) in touched.items():
            if new is None:
                self._writers.pop(place, None)
            else:
                writers = self._writers.setdefault(place, {})
                writers.update(dict.fromkeys(_changed(old or {}, new), name))

    def _undone_wrongly(self, decision: Decision, touched: Touched) -> Iterator[str]:
        """Each field comes back that the undone op wrote last, and nothing else changes."""
        undone = decision.principal, decision.undoes
        for place, (old, new) in touched.items():
            if place[0] in _BESIDE:
                continue
            if undone not in self._done or place not in self._done[undone]:
                yield f"undo: {decision.op} changes {'/'.join(place)}, which {decision.undoes} did not"
                continue
            expected = self._without(undone, place, old)
            if new != expected:
                yield f"undo: {decision.op} of {decision.undoes} leaves {'/'.join(place)} as {new}, not as {expected}"

    def _without(self, undone: Name, place: Place, now: Fields | None) -> Fields | None:
        found, left = self._done[undone][place]
        writers = self._writers.get(place, {})
        if found is None:
            return None if all(principal == undone[0] for principal, _ in writers.values()) else now
        if now is None or left is None:
            return found
        expected = dict(now)
        restored = {field: found.get(field) for field in _changed(found, left) if writers.get(field) == undone}
        merge_fields(expected, restored)
        return expected

    def _recorded_wrongly(
        self, decision: Decision, record: str, old: Fields | None, new: Fields, asked: Mapping[str, Any]
    ) -> Iterator[str]:
        """What a record says stands is what stands; an answer is one that could be given, and the one that was."""
        what = f"answer: {decision.op} ({decision.action}) of {record}"
        if decision.action in ANSWERS:
            status, before = ANSWERS[decision.action]
            if old is None or old["status"] not in before or new["status"] != status:
                yield f"{what} makes it {new['status']} from {old and old['status']}"
                return
            choice = (asked.get("choice") or _OTHER.get(old["outcome"])) if "choice" in asked else new["outcome"]
            if new["outcome"] != choice or new["answer"]["op"] != decision.op or new["answer"]["user"] != decision.principal:
                yield f"{what} chose {choice}, and the record says {new['outcome']} by {new['answer']}"
            if not self._may_answer(decision.principal, old):
                yield f"{what} is by {decision.principal}, and may be by {old['mayAnswer']}"
        elif old is not None and old["status"] != new["status"] and new["status"] != "expired":
            yield f"{what} makes it {new['status']} without an answer"
        if (old is None or decision.action in ANSWERS) and new["field"] != "*":
            yield from self._stands_otherwise(what, new, asked)

    def _stands_otherwise(self, what: str, record: Fields, asked: Mapping[str, Any]) -> Iterator[str]:
        item = self._items.get((record["collection"], record["item"]))
        expected = {
            "first": record["first"].get("value"), "second": record["second"].get("value"),
            "merged": record.get("result"), "value": asked.get("value"),
        }[record["outcome"]]  # fmt: skip
        if item is not None and expected is not None and item.get(record["field"]) != expected:
            yield f"{what}: {record['outcome']} shall stand, {expected!r}, and {item.get(record['field'])!r} does"

    def _may_answer(self, person: str, record: Fields) -> bool:
        role = self._items.get(("people", person), {}).get("role")
        return role in record["mayAnswer"]["roles"] or person in record["mayAnswer"]["people"]


def _mark_of(decision: Decision) -> str:
    """The text that this op alone wrote; what brings back the texts of others has none."""
    if decision.undoes or decision.action in ANSWERS:
        return ""
    values = [
        value
        for part in decision.parts
        for change in part.changes
        if change.collection not in _BESIDE
        for value in ((change.set or {}).values() if isinstance(change.set, dict) else ())
    ]
    return next((value for value in values if isinstance(value, str) and MARK.fullmatch(value)), "")


def _changed(old: Fields, new: Fields) -> list[str]:
    return [field for field in {**old, **new} if old.get(field) != new.get(field)]
