"""The promises, checked over a history and what is stored: linear, pure, each offence one line that names what to look at.

Every check takes lists and returns texts; none found is the promise kept. Called by `run` and, with made-up histories, by tests.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.soak.history import Entry, Heads, Stored
from bench.soak.rights import unreadable

Offences = list[str]


def lost(history: Iterable[Entry], stored: Sequence[Stored]) -> Offences:
    """INV1: what was said to be saved, queued, applied or refused by the rules is stored, and as it was said."""
    found = {(each.wedding, each.op): each for each in stored}  # of an op that waited, what it came to
    marks = {(each.wedding, mark) for each in stored for mark in each.marks}
    offences = []
    for entry in history:
        decided = found.get((entry.wedding, entry.op))
        if entry.kind in ("saved", "queued", "applied") and decided is None:
            offences.append(f"lost: {_name(entry)} was {entry.kind} and is not stored")
        elif entry.kind == "applied" and decided is not None and not decided.applied:
            offences.append(f"lost: {_name(entry)} was applied and is stored as refused")
        elif entry.kind == "rejected" and (entry.wedding, entry.mark) in marks:
            offences.append(f"lost: {_name(entry)} was refused ({entry.code}) and is applied all the same")
    return offences


def twice(stored: Sequence[Stored]) -> Offences:
    """INV1: one decision for each op, and each text written by one op alone."""
    offences = []
    ops: dict[tuple[str, str, str, bool], int] = {}
    marks: dict[tuple[str, str], int] = {}
    for each in stored:
        # One that waits for others is stored when it is taken, and once more when it is decided.
        key = (each.wedding, each.principal, each.op, each.waits)
        if key in ops:
            offences.append(f"twice: {each.wedding} decided {each.op} at positions {ops[key]} and {each.position}")
        ops[key] = each.position
        for mark in each.marks if each.applied else ():
            if (each.wedding, mark) in marks:
                offences.append(
                    f"twice: {each.wedding} applied the text {mark} at {marks[each.wedding, mark]} and {each.position}"
                )
            marks[each.wedding, mark] = each.position
    return offences


def out_of_order(history: Iterable[Entry], stored: Sequence[Stored]) -> Offences:
    """D1: an op that was saved before another was asked stands before it in the log."""
    # Of an op that waited its first place counts: that is where it was taken.
    positions = {(each.wedding, each.op): each.position for each in reversed(stored)}
    op_of = {(each.wedding, each.mark): each.op for each in history if each.op and each.mark}
    highest: dict[str, tuple[int, str]] = defaultdict(lambda: (0, ""))
    asked: dict[tuple[str, str], tuple[int, str]] = {}
    offences = []
    for entry in history:
        if entry.kind == "invoke":
            asked[entry.wedding, entry.mark] = highest[entry.wedding]
        elif entry.kind == "saved":
            position = positions.get((entry.wedding, entry.op), 0)
            highest[entry.wedding] = max(highest[entry.wedding], (position, entry.op))
    for (wedding, mark), (before, earlier) in asked.items():
        op = op_of.get((wedding, mark), "")
        # What is not stored is lost, which is another offence.
        position = positions.get((wedding, op), before + 1)
        if position <= before:
            offences.append(f"order: {wedding} {op} at {position} was asked after {earlier} at {before} was saved")
    return offences


def gaps(history: Iterable[Entry], stored: Sequence[Stored]) -> Offences:
    """INV4: each client's events are the next ones of their channel, never go back, and are those that are stored."""
    truth = {(each.wedding, channel, number): each.op for each in stored for channel, number in each.sequences.items()}
    stands: dict[tuple[str, str, str], int] = {}
    offences = []
    for entry in history:
        if entry.kind not in ("sync", "event"):
            continue
        key = (entry.wedding, entry.client, entry.channel)
        before = stands.get(key, 0)
        where = f"{entry.wedding} {entry.client} {entry.channel}"
        if entry.kind == "event" and entry.sequence != before + 1:
            offences.append(f"gap: {where} had {before} and got {entry.sequence} ({entry.op}) at {entry.time:.3f}")
        if entry.kind == "sync" and entry.sequence < before:
            offences.append(f"gap: {where} had {before} and went back to {entry.sequence} at {entry.time:.3f}")
        expected = truth.get((entry.wedding, entry.channel, entry.sequence))
        if entry.kind == "event" and expected != entry.op:
            offences.append(f"other: {where} saw {entry.op} at {entry.sequence}, stored is {expected}")
        stands[key] = entry.sequence
    return offences


def holes_in_store(stored: Sequence[Stored]) -> Offences:
    """INV4: the stored sequences of each channel are 1, 2, 3 and so on in the order of the log."""
    last: dict[tuple[str, str], int] = defaultdict(int)
    offences = []
    for each in sorted(stored, key=lambda one: (one.wedding, one.position)):
        for channel, sequence in each.sequences.items():
            if sequence != last[each.wedding, channel] + 1:
                offences.append(f"gap: stored {each.wedding} {channel} goes from {last[each.wedding, channel]} to {sequence}")
            last[each.wedding, channel] = sequence
    return offences


def not_visible(history: Iterable[Entry], stored: Sequence[Stored]) -> Offences:
    """INV3: whoever is told that an op is applied has it in what they hold."""
    found = {(each.wedding, each.op): each.sequences for each in stored}
    return [
        f"unseen: {_name(entry)} was applied as {channel} {sequence} while its author held {entry.holds[channel]}"
        for entry in history
        if entry.kind == "applied" and entry.holds
        for channel, sequence in found.get((entry.wedding, entry.op), {}).items()
        if channel in entry.holds and entry.holds[channel] < sequence
    ]


def apart(actors: Iterable[Heads], clients: Iterable[Heads]) -> Offences:
    """INV3: at the end every copy is the actor's, channel by channel."""
    truth = {each.wedding: each.channels for each in actors}
    return [
        f"apart: {copy.wedding} {copy.client} has {channel} {head[1]} at {head[0]}, the actor {truth[copy.wedding].get(channel)}"
        for copy in clients
        for channel, head in copy.channels.items()
        if truth[copy.wedding].get(channel) != head
    ]


def unanswered(history: Iterable[Entry]) -> Offences:
    """INV1: once everything is healed every op has an answer, whoever asked it and by whatever entrance."""
    open_ones: dict[tuple[str, str], Entry] = {}
    offences = []
    for entry in history:
        if entry.kind == "invoke":
            open_ones[entry.wedding, entry.mark] = entry
        elif entry.mark:
            open_ones.pop((entry.wedding, entry.mark), None)
        if entry.kind == "unknown":
            offences.append(f"unanswered: {_name(entry)}")
    return offences + [f"unanswered: {_name(entry)}" for entry in open_ones.values()]


def everything(history: Sequence[Entry], stored: Sequence[Stored], actors: Sequence[Heads], clients: Sequence[Heads]) -> Offences:
    """Run every check."""
    return [
        *lost(history, stored),
        *twice(stored),
        *out_of_order(history, stored),
        *holes_in_store(stored),
        *gaps(history, stored),
        *not_visible(history, stored),
        *unreadable(history, stored),
        *apart(actors, clients),
        *unanswered(history),
    ]


def _name(entry: Entry) -> str:
    return f"{entry.wedding} {entry.client} {entry.op or '(no number)'} [{entry.mark}] at {entry.time:.3f}"
