"""Every example of docs/conflicts.md, replayed word by word."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from actors.contract.conflicts import PRIORITIES
from actors.contract.field_kinds import STRATEGIES
from tests.support.disputes import answer, applied, let_time_pass, seen_by_all, the_record
from tests.support.folding import MEMBERS, Fold, wedding_with_members

PAGE = Path(__file__).parents[2] / "docs" / "conflicts.md"
EXAMPLES = re.findall(r"```example\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
_DAY_MS = 24 * 3600 * 1000


class Play:
    """One example on its way, line by line."""

    def __init__(self) -> None:
        self.fold: Fold = wedding_with_members()
        self.collection = self.item = ""
        self.base: dict[str, int] = {}
        self.strategies: set[str] = set()

    def line(self, text: str) -> None:
        """Do what a line says, or require it."""
        word, _, rest = text.partition(" ")
        if word in MEMBERS:
            self.acts(word, rest)
        elif word == "rules":
            applied(self.fold.act("amara", "wedding", "update", self.fold.state.id, {"conflictRules": json.loads(rest)}))
        elif word == "item":
            self.collection, self.item, fields = rest.split(" ", 2)
            applied(self.fold.act("amara", self.collection, "insert", self.item, json.loads(fields)))
            self.fold.now_ms += 60_000
            self.base = seen_by_all(self.fold)
        elif word == "time":
            assert let_time_pass(self.fold, int(rest.split()[0]) * _DAY_MS) is not None
        else:
            found = self.fold.item(self.collection, self.item) if word == "=" else the_record(self.fold)[1]
            expected: dict[str, Any] = json.loads(rest)
            assert {name: found.get(name) for name in expected} == expected
            self.strategies |= {found["strategy"]} if word == "record" else set()

    def acts(self, person: str, rest: str) -> None:
        """Somebody answers, or writes without having seen the others."""
        word, _, more = rest.partition(" ")
        if word in ("resolve", "reverse"):
            choice, _, value = more.partition(" ")
            applied(answer(self.fold, person, word, choice or None, **({"value": json.loads(value)} if value else {})))
            return
        priority, data = (word, more) if word in PRIORITIES else ("", rest)
        applied(self.fold.act(person, self.collection, "update", self.item, json.loads(data), base=self.base, priority=priority))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_happens_as_it_is_written(example: str) -> None:
    """What the page says stands in the end, and in the record, is so."""
    play = Play()
    for line in example.strip().splitlines():
        play.line(line)


def test_every_strategy_has_an_example() -> None:
    """The page shows each of the five at work."""
    shown: set[str] = set()
    for example in EXAMPLES:
        play = Play()
        for line in example.strip().splitlines():
            play.line(line)
        shown |= play.strategies
    assert shown == set(STRATEGIES)
