"""Whole sessions of people who write one text, from a seed: real fold, real client sessions, a network that delays and forgets.

Every inserted character is unique, so that afterwards each can be looked for. Called by tests and by `make soak ARGS=text`.
"""

import random
from collections import Counter
from collections.abc import Iterator

from actors.contract.decisions import Decision
from actors.contract.text_form import content_in, parts_of
from actors.contract.text_ot import Delta
from gateway.client.text_session import TextSession
from tests.support.folding import Fold
from tests.support.writing import CHANNEL, edit_text, seen, text_of, vows

WRITERS = ("amara", "petra", "bloom")
#: Beyond the first 65,536 code points every second one, so that UTF-16 would count wrongly.
_FIRST, _BASIC, _ASTRAL = 0x4E00, 20_000, 0x20000


class NetworkedWriter:
    """One person's client. `outbound` is what the server has not seen yet, `heard` the sequence up to which it has heard."""

    def __init__(self, name: str, fold: Fold) -> None:
        self.name = name
        self.session = TextSession(content_in(fold.item("documents", "vows"), "text"))
        self.heard = seen(fold)
        self.outbound: tuple[Delta, int] | None = None
        self.flying: str | None = None

    def send(self) -> None:
        if self.outbound is None and self.flying is None and (delta := self.session.take()) is not None:
            self.outbound = (delta, self.heard)

    def arrive(self, fold: Fold) -> None:
        """What is on the way reaches the log and is decided."""
        if self.outbound is None:
            return
        delta, base = self.outbound
        decision, self.outbound = edit_text(fold, self.name, delta, base), None
        if decision.refusal is None:
            self.flying = decision.op
        else:
            assert decision.refusal.code == "base_too_old", decision.refusal
            self.session.answered(keep=True)

    def hear(self, decisions: dict[int, Decision]) -> None:
        """The next event of the channel comes."""
        decision = decisions.get(self.heard + 1)
        if decision is None:
            return
        self.heard += 1
        for change in decision.parts[0].changes:
            if isinstance(change.edit, dict):
                if decision.op == self.flying:
                    self.flying = None
                    self.session.confirm(change.edit["text"])
                else:
                    self.session.follow(change.edit["text"])

    def come_back(self, fold: Fold) -> None:
        """After a long absence a snapshot comes in place of the events; then an edit that had no answer gets it."""
        self.heard = seen(fold)
        self.session.reset(content_in(fold.item("documents", "vows"), "text"))
        if self.flying is not None:
            self.flying = None
            self.session.answered(keep=False)


class Play:
    """One seeded session; `run` plays it, raising AssertionError where a promise is broken."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fold = vows("")
        self.writers = [NetworkedWriter(name, self.fold) for name in WRITERS[: self.random.choice((2, 3))]]
        self.absences = self.random.random() < 0.3
        self.inserted: set[str] = set()
        self.deleted: set[str] = set()
        self._characters = self._unique()

    def run(self) -> None:
        for _ in range(self.random.randint(10, 80)):
            self._step(self.random.choice(self.writers))
        for _ in range(200):
            for writer in self.writers:
                writer.send()
                writer.arrive(self.fold)
                while writer.heard < seen(self.fold):
                    writer.hear(self._decisions())
            if all(writer.session.is_settled and writer.heard == seen(self.fold) for writer in self.writers):
                break
        self._check()

    def _step(self, writer: NetworkedWriter) -> None:
        kind = self.random.random()
        if kind < 0.35:
            self._type(writer)
        elif kind < 0.55:
            writer.send()
        elif kind < 0.75:
            writer.arrive(self.fold)
        elif self.absences and kind < 0.8:
            writer.come_back(self.fold)
        else:
            writer.hear(self._decisions())

    def _type(self, writer: NetworkedWriter) -> None:
        text = writer.session.text
        place = self.random.randint(0, len(text))
        if text and self.random.random() < 0.3:
            length = self.random.randint(0, min(4, len(text) - place))
            self.deleted.update(text[place : place + length])
            writer.session.edit([{"retain": place}, {"delete": length}])
            return
        words = "".join(next(self._characters) for _ in range(self.random.randint(1, 3)))
        self.inserted.update(words)
        writer.session.edit([{"retain": place}, {"insert": words}])

    def _unique(self) -> Iterator[str]:
        for number in range(_BASIC):
            yield chr((_ASTRAL if number % 2 else _FIRST) + number)

    def _decisions(self) -> dict[int, Decision]:
        return {part.sequence: each for each in self.fold.decisions[-200:] for part in each.parts if part.channel == CHANNEL}

    def _check(self) -> None:
        text = text_of(self.fold)
        for writer in self.writers:
            assert writer.session.is_settled, f"{writer.name} never came to rest"
            assert parts_of(writer.session.content)[0] == text, f"{writer.name} has another text"
        lost = self.inserted - self.deleted - set(text)
        assert not lost, f"lost inserts: {sorted(lost)}"
        assert max(Counter(text).values(), default=1) == 1, "something stands twice"
        if not self.absences:
            assert not self.deleted & set(text), "something deleted came back"
