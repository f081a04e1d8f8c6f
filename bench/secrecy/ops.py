"""Random ops that meet: every text is a secret of its own, audiences change, ids are taken twice, rights come and go."""

import random
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

from bench.secrecy.matrix import PLACES, TYPES

ANCHOR: Final = "ana"
#: Who is there at first; nobody changes the anchor, who can always write.
PEOPLE: Final = {
    "ana": "couple", "ben": "couple", "petra": "planner", "tom": "vendor", "bot": "vendor", "mia": "family", "fay": "friend",
    "gus": "guest",
}  # fmt: skip
#: A token in hand, and never a member.
STRANGER: Final = "eve"
_CHANGED: Final = ("petra", "tom", "mia", "fay", "gus")
_TEXTS: Final = {
    "timeline": ("title", "notes"), "budget": ("item", "notes"), "vendors": ("name", "notes"), "guests": ("firstName", "notes"),
    "tables": ("name",), "documents": ("title",), "photos": ("title",), "tasks": ("title",), "messages": ("text",),
    "inbox": ("text", "kind"),
}  # fmt: skip
#: Fields that people type in together.
_TYPED: Final = {
    "documents": "text",
    "photos": "text",
    "timeline": "notes",
    "budget": "notes",
    "vendors": "notes",
    "guests": "notes",
}
_SHARED: Final = ("everyone", "team", "core", "family")
_WORDS: Final = {"timeline": ("everyone", "team", "core", "surprise"), "budget": ("core", "payer", "surprise")}

Op = dict[str, Any]


class Ops:
    """Draws ops; `items` are the ids that were ever used, whoever may read them."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self._numbers = count(1)
        self.items: dict[str, list[str]] = {collection: [] for collection in _TEXTS}

    def secret(self, kind: str = "mk") -> str:
        """A word that stands nowhere else."""
        return f"{kind}{next(self._numbers)}q"

    def next(self, author: str) -> Op:
        """An op of this author, sensible or not."""
        draw = self.draw
        if draw.random() < 0.12:
            return self._of_rights()
        collection = draw.choice(list(_TEXTS))
        known = self.items[collection]
        action = draw.choices(["insert", "update", "delete", "move"], [45, 35, 10, 10])[0] if known else "insert"
        if action == "insert":
            taken = known and draw.random() < 0.1
            identifier = draw.choice(known) if taken else self.secret("id")
            known.append(identifier)
            data: Any = {name: self.secret() for name in _TEXTS[collection]} | self._audience(collection, author)
            if collection == "inbox":
                data["person"] = draw.choice(list(PEOPLE))
        else:
            identifier, data = draw.choice(known), self._change(collection, action, author)
        return op_of(collection, action, identifier, data, base=self._base())

    def typing(self) -> Op | None:
        """An edit of a common text by who may not have seen it: a word at its front."""
        collection = self.draw.choice(list(_TYPED))
        if not self.items[collection]:
            return None
        data = {"delta": [{"insert": f"{self.secret()} "}]}
        return op_of(collection, "edit", self.draw.choice(self.items[collection]), data, field=_TYPED[collection])

    def answering(self, record: str, collection: str) -> Op:
        """An answer to a conflict, by whomever."""
        choice = self.draw.choice(["first", "second", "value"])
        data = {"choice": choice} | ({"value": self.secret()} if choice == "value" else {})
        op = op_of("conflicts", self.draw.choice(["resolve", "reverse", "reverse"]), record, data)
        return op | {"type": TYPES[collection]}

    def undoing(self, identifier: str, op: Op) -> Op:
        """An undo that its author made up: of anybody's op, with values that never stood there."""
        collection, item = op["target"]["collection"], op["target"]["id"]
        fields = {name: self.secret() for name in _TEXTS.get(collection, ("title",))}
        inverse: Op = self.draw.choice(
            [{"set": fields}, {"remove": True}, {"insert": fields}, {"insert": True}, {"edit": "text"}]
        )
        return op_of(collection, "undo", item, {"op": identifier, **inverse})

    def channel(self) -> str:
        """Any channel."""
        section = self.draw.choice([*_TEXTS, "permissions"])
        if section in ("vendors", "guests", "tables", "permissions"):
            return {"vendors": "vendors.team", "permissions": "permissions.core"}.get(section, "guests.family")
        person = self.draw.choice(list(PEOPLE))
        if section == "inbox":
            return f"inbox.{person}"
        word = self.draw.choice(_WORDS.get(section, (*_SHARED, "surprise")))
        return f"{section}.{word}-{person}" if word in ("surprise", "payer") else f"{section}.{word}"

    def _base(self) -> dict[str, int]:
        """Sometimes a claim about a channel that the author mostly does not read: it must say nothing to anybody."""
        return {self.channel(): self.draw.choice([0, 1, 10**6])} if self.draw.random() < 0.05 else {}

    def _change(self, collection: str, action: str, author: str) -> Any:
        if action == "delete":
            return None
        if action == "move":
            return {"after": self.draw.choice([None, *self.items[collection]])}
        data = {self.draw.choice(_TEXTS[collection]): self.secret()}
        return data | (self._audience(collection, author) if self.draw.random() < 0.4 else {})

    def _audience(self, collection: str, author: str) -> Op:
        person = self.draw.choice(list(PEOPLE))
        personal = (f"surprise-{person}", f"private-{author}")
        if collection == "timeline":
            return {"visibility": self.draw.choice(["everyone", "team", "core", *personal])}
        if collection == "budget":
            return self.draw.choice([{}, {"payer": person}, {"audience": personal[0]}])
        if collection in ("documents", "photos", "tasks", "messages"):
            return {"audience": self.draw.choice([*_SHARED, *_SHARED, *personal])}
        return {}

    def _of_rights(self) -> Op:
        draw = self.draw
        person = draw.choice(_CHANGED)
        kind = draw.random()
        if kind < 0.35:
            return op_of("people", "update", person, {"role": draw.choice(["vendor", "family", "friend", "guest", "planner"])})
        if kind < 0.45:
            return op_of("people", "delete", person, None)
        if kind < 0.6:
            return op_of("people", "insert", person, {"name": person, "role": draw.choice(["vendor", "family", "guest"])})
        about = draw.choice([person, person, f"role-{draw.choice(['planner', 'vendor', 'family', 'guest'])}"])
        action = draw.choice(["insert", "insert", "update", "update", "delete"])
        data = {name: self._places() for name in draw.choice([("read",), ("hidden",), ("read", "hidden")])}
        return op_of("permissions", action, about, None if action == "delete" else data)

    def _places(self) -> Sequence[str]:
        """Places of `permissions`; wedding and people stay visible, since by them the campaign knows how far everybody is."""
        section = self.draw.choice([place for place in PLACES if place not in ("wedding", "people")])
        words = {"vendors": ("team",), "guests": ("family",)}.get(section, _WORDS.get(section, (*_SHARED, "surprise")))
        return [section if self.draw.random() < 0.4 else f"{section}.{self.draw.choice(words)}"]


def op_of(
    collection: str, action: str, identifier: str, data: Any, *, base: dict[str, int] | None = None, field: str | None = None
) -> Op:
    """An op without an id."""
    target = {"collection": collection, "id": identifier} | ({} if field is None else {"field": field})
    op = {"type": TYPES.get(collection, ""), "action": action, "target": target}
    return op | ({} if data is None else {"data": data}) | ({"base": base} if base else {})
