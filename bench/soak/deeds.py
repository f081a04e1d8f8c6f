"""What members of a soak do beside plain updates: name dependencies, meet at one field, type, take back, answer conflicts.

Each deed carries a mark, as any op, and `asks` tells the checker what else it wanted (`meanings`). `offer` is the whole load.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.soak.history import MARK
from bench.soak.members import FIELD, TARGETS, VOWS, Member

#: Fields over which two people disagree without having seen each other, with what they may say, by the strategies of the product.
DISPUTED: Final[dict[str, tuple[str, tuple[Any, ...]]]] = {
    "timeline": ("durationMin", (15, 45, 60)),
    "guests": ("needs", (["ramp"], ["quiet", "ramp"], ["ear"])),
    "tables": ("capacity", (6, 10, 12)),
    "budget": ("deposit", (100, 200, 300)),
}
_DEEDS: Final = ("edit", "type", "depend", "meet", "undo", "answer")
_SHARES: Final = (62, 10, 8, 8, 6, 6)
#: Ops that a dependency names: already sent, or one of the next two, which `offer` sees to.
_AHEAD: Final = (0, 0, 1, 2)
_RESOLVED: Final = 0.8
_TYPING: Final = 0.25
#: How long somebody whose ops are waited for has for one of them.
_PROMISE_SECONDS: Final = 1.0


async def offer(members: Sequence[Member], seed: int, rate: float, is_over: Callable[[], bool], patience_seconds: float) -> None:
    """Let random members do something at a rate, and in the end what others wait for."""
    draw, began, number = random.Random(seed), time.monotonic(), 0
    while not is_over():
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        number += 1
        one_deed(draw, members, f"s{seed}-{number}")
    ends = time.monotonic() + patience_seconds
    while (owing := [each for each in members if each.highest < each.promised]) and time.monotonic() < ends:
        for member in owing:
            number += 1
            member.edit(draw, f"s{seed}-{number}")
        await asyncio.sleep(_PROMISE_SECONDS)


def one_deed(draw: random.Random, members: Sequence[Member], mark: str) -> None:
    """Let somebody do something; what cannot be done just now becomes a plain update."""
    member = draw.choice(members)
    peers = [each for each in members if each.client.wedding == member.client.wedding]
    deed = draw.choices(_DEEDS, _SHARES)[0]
    is_done = False
    match deed:
        case "type":
            is_done = _type(draw, member, mark)
        case "depend":
            is_done = _depend(draw, member, draw.choice(peers), mark)
        case "meet":
            is_done = _meet(draw, draw.sample(peers, min(2, len(peers))), mark)
        case "undo":
            is_done = _undo(draw, member, mark)
        case "answer":
            is_done = _answer(draw, member, mark)
        case _:
            pass
    if not is_done:
        member.edit(draw, mark)


def _type(draw: random.Random, member: Member, mark: str) -> bool:
    """Put a word between others, and perhaps take one out. Each member has one edit under way, as the protocol advises."""
    text = member.client.confirmed().get("documents", {}).get(VOWS, {}).get("text")
    channel = next((name for name in member.client.sequences() if name.startswith("documents.")), "")
    if not isinstance(text, str) or not channel or member.is_typing:
        return False
    words = text.split(" ")[:-1]
    place = draw.randint(0, len(words))
    out = draw.choice(words) if words and draw.random() < 0.4 else ""
    deletes = [out] if MARK.fullmatch(out) else []
    asks = {"deletes": deletes, "at": member.client.sequences()[channel]}
    delta = typed(words, place, mark, deletes)
    member.ask(mark, lambda: member.edit_text(delta), asks)
    return True


def typed(words: Sequence[str], place: int, mark: str, deletes: Sequence[str]) -> list[dict[str, Any]]:
    """The delta that puts a word in before the word at `place` and takes others out; each word ends with its space."""
    delta: list[dict[str, Any]] = []
    for number, word in enumerate([*words, ""]):
        if number == place:
            delta.append({"insert": f"{mark} "})
        if word:
            delta.append({"delete" if word in deletes else "retain": len(word) + 1})
    while "retain" in delta[-1]:
        delta.pop()
    return delta


def _depend(draw: random.Random, member: Member, other: Member, mark: str) -> bool:
    """Edit after an op of somebody, or of oneself, that may be on its way or not even made."""
    if not other.highest:
        return False
    number = max(1, other.highest + draw.choice(_AHEAD))
    other.promised = max(other.promised, number)
    collection, identifier = draw.choice(TARGETS)
    data = {FIELD.get(collection, "notes"): mark}
    named = [f"{other.client.client}:{number}"]
    member.ask(mark, lambda: member.change(collection, identifier, data, dependencies=named), {"dependencies": named})
    return True


def _meet(draw: random.Random, people: Sequence[Member], mark: str) -> bool:
    """Let two people say something else of one field, or type in one text, at the same moment."""
    if draw.random() < _TYPING:
        typing = [_type(draw, member, f"{mark}-{number}") for number, member in enumerate(people, 1)]
        return any(typing)
    collection, identifier = draw.choice([target for target in TARGETS if target[0] in DISPUTED])
    field, values = DISPUTED[collection]
    for number, (member, value) in enumerate(zip(people, draw.sample(values, 2), strict=False)):
        own = mark if number == 0 else f"{mark}-{number}"
        data = {field: value, FIELD.get(collection, "notes"): own}
        member.ask(own, _change(member, collection, identifier, data))
    return True


def _change(member: Member, collection: str, identifier: str, data: dict[str, Any]) -> Callable[[], Any]:
    return lambda: member.change(collection, identifier, data)


def _undo(draw: random.Random, member: Member, mark: str) -> bool:
    if not member.applied:
        return False
    member.undo(mark, draw.choice(list(member.applied)))
    return True


def _answer(draw: random.Random, member: Member, mark: str) -> bool:
    """Resolve an open conflict or reverse one that was decided, whether one may or not."""
    records = member.client.confirmed().get("conflicts", {})
    waiting = [name for name, record in records.items() if record["status"] == "open"]
    settled = [name for name, record in records.items() if record["status"] in ("decided", "resolved")]
    action, names = ("resolve", waiting) if waiting and draw.random() < _RESOLVED else ("reverse", settled)
    if not names:
        return False
    name = draw.choice(names)
    # Of a merge neither side prevailed alone, so a reversal names one.
    choice = draw.choice(("first", "second", *((None,) if action == "reverse" else ())))
    member.ask(mark, lambda: member.client.answer_conflict(name, action, choice), {"choice": choice})
    return True
