"""One text under several hands, word by word: which words must stand in it, whatever order its edits came in. Pure.

The people of a soak put in whole words between words (each a mark, so it stands nowhere else) and take out whole words. So no
word may ever be torn, lost or doubled, and an undo takes away and brings back exactly those of its op. Called by `meanings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from actors.contract.changes import Change
from bench.soak.history import MARK

Delta = Sequence[Mapping[str, Any]]


class Edit(NamedTuple):
    """An edit as it was applied: its op, the one that it takes back, its sequence in the channel, and what it did."""

    op: str
    undoes: str
    sequence: int
    delta: Delta


class _Word(NamedTuple):
    """Which op put a word in, and under which sequence; `first` is the one that did before it was cut out and brought back."""

    op: str
    sequence: int
    first: str


class _Effect(NamedTuple):
    put_in: tuple[str, ...]
    taken_out: tuple[str, ...]


class Wording:
    """The words of one document: `text` follows the events, the words what their authors meant."""

    def __init__(self, document: str, text: str) -> None:
        self.text = text
        self._document = document
        self._words = dict.fromkeys(text.split(), _Word("", 0, ""))
        self._first: dict[str, str] = {}
        self._effects: dict[str, _Effect] = {}

    def follow(self, edit: Edit, asked: Mapping[str, Any]) -> Iterator[str]:
        """Follow an edit, and name the words that it should have left alone, or not."""
        self.text = applied(self.text, edit.delta)
        meant = self._inverse(edit.undoes) if edit.undoes else self._meant(edit, asked)
        for word in meant.taken_out:
            del self._words[word]
        self._words |= {word: _Word(edit.op, edit.sequence, self._first.setdefault(word, edit.op)) for word in meant.put_in}
        self._effects[edit.op] = meant
        standing = self.text.split()
        if sorted(standing) != sorted(self._words):
            wrong = sorted({*standing} ^ {*self._words}) or [word for word in {*standing} if standing.count(word) > 1]
            yield f"text: {edit.op} leaves {self._document} with or without {', '.join(wrong)}"
            self._words = {word: self._words.get(word, _Word("", edit.sequence, "")) for word in standing}

    def _meant(self, edit: Edit, asked: Mapping[str, Any]) -> _Effect:
        """What an author put in, and of the words that it took out those that it had seen: one may be gone and back again."""
        seen, wanted = asked.get("at", 0), asked.get("deletes", ())
        taken = tuple(word for word in wanted if word in self._words and self._words[word].sequence <= seen)
        return _Effect(tuple(_marks_in(edit.delta)), taken)

    def _inverse(self, undoes: str) -> _Effect:
        """What takes an edit back: its words, as far as they are still those that it put in, and the words that it took out.

        A word that somebody cut out and brought back may go with the edit that first put it in, or stay.
        """
        done = self._effects.get(undoes, _Effect((), ()))
        own = [(word, self._words[word]) for word in done.put_in if word in self._words]
        standing = self.text.split()
        return _Effect(
            tuple(word for word in done.taken_out if word not in self._words),
            tuple(word for word, known in own if known.op == undoes or (known.first == undoes and word not in standing)),
        )


def delta_of(change: Change) -> Delta | None:
    """The delta of a change that edits the text of a document."""
    return change.edit.get("text") if isinstance(change.edit, dict) and change.collection == "documents" else None


def _marks_in(delta: Delta) -> list[str]:
    return [mark for component in delta for mark in MARK.findall(str(component.get("insert", "")))]


def applied(text: str, delta: Delta) -> str:
    """The text after a delta, reckoned here anew."""
    result, at = [], 0
    for component in delta:
        if "insert" in component:
            result.append(str(component["insert"]))
            continue
        length = int(component.get("retain") or component["delete"])
        result.append(text[at : at + length] if "retain" in component else "")
        at += length
    return "".join(result) + text[at:]
