"""What was readable for whom and since when: the decided ops in their order, held against the matrix.

A secret is a word that one op alone brought in, or the name of an item or of an op. An event publishes its words in its channel;
that they belong there is judged here too: an item must be in the channel that its fields ask for, and no word may come in that
neither its op nor its item nor its channel had. Somebody may know a secret who reads the channel then or at any later time: a
right to a channel covers its past, and never what came after it was lost (docs/permissions.md). Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bench.secrecy.matrix import channel_of, reads
from bench.soak.wording import applied

#: Words of items, their ids, names of ops over NATS, what presence says, and the ids of records of conflicts.
SECRET: Final = re.compile(r"(?:mk|id|op|pr)\d+q|\bc-[0-9a-f]{24}")
#: Tokens and cursors: chance writes anything into them.
_OPAQUE: Final = re.compile(r'"(?=[^"]*[A-Z])[\w.=-]{32,}"')
OP_ID: Final = re.compile(r"\d{8}-[0-9a-z]{4,}:\d+")
_VECTOR_CLOCK: Final = re.compile(r'"[a-z]+/(\d{8}-[0-9a-z]{4,})":\s*(\d+)')
_SECTIONS: Final = "timeline|budget|vendors|guests|documents|photos|tasks|messages|inbox|permissions|conflicts|wedding|people"
#: Rights, one's own as patterns of which the last that matches decides: words of the protocol and no channels of this wedding.
#: An undo names the op that it takes back wherever its item is by then (docs/guarantees.md).
_UNDOES: Final = re.compile(r'"undoes":\s*"[^"]*"')
_PATTERNS: Final = re.compile(r'"(?:mayRead|rules|read|hidden)":\s*\[[^\]]*\]')
CHANNEL: Final = re.compile(
    rf"\b(?:(?:{_SECTIONS})\.(?:everyone|team|core|family|(?:payer|surprise|private)-[a-z]+)|inbox\.[a-z]+)\b"
)

Op = Mapping[str, Any]
Fields = dict[str, Any]


class Truth:
    """See the module. `decided` takes decisions in the order of the log; `faults` names what does not belong where it was put."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        #: Everything that ever had an event.
        self.channels: set[str] = set()
        self._items: dict[tuple[str, str], dict[str, Any]] = {}
        #: After which rev who was what, and what was said of them.
        self._rights: list[tuple[int, dict[str, str], dict[str, dict[str, Any]]]] = [(0, {}, {})]
        self._published: dict[str, set[tuple[int, str]]] = defaultdict(set)
        #: What each op was about, and the words that it found there or brought: an undo may bring these again.
        self._done: dict[tuple[str, str], tuple[tuple[str, str], set[str]]] = {}

    def decided(self, rev: int, name: tuple[str, str], op: Op | None, events: Sequence[Mapping[str, Any]]) -> None:
        """Follow the events of one decision, whose author and id are its `name`.

        `op` is what was asked, None where the server made an undo of what its author named, or the wedding did something itself.
        """
        undone = (name[0], str(events[0]["metadata"].get("undoes"))) if events else name
        target, brought = self._done.get(undone, (("", ""), set[str]()))
        if op is not None:
            target = op["target"]["collection"], op["target"]["id"]
        # A record has a name of its own making.
        made = {change["id"] for event in events for change in event["data"]["changes"] if change["collection"] == "conflicts"}
        brought = brought | words_in([op, self._items.get(target)]) | made
        self._done[name] = target, brought
        for event in events:
            channel, words = event["channel"], words_in([event["id"], event["data"]])
            foreign = words - brought - {event["id"]} - {word for word in words if self._is_published(word, channel)}
            mentioned = {f"{key.partition('/')[2]}:{number}" for key, number in event["vectorClock"].items()}
            mentioned = {each for each in mentioned | set(event["causality"]["with"]) if OP_ID.fullmatch(each)}
            foreign |= {each for each in mentioned - {event["id"]} if not self._is_published(each, channel)}
            self.faults += [f"brought in: {word} stands in {channel} by {event}" for word in foreign]
            self.channels.add(channel)
            for word in words:
                self._published[word].add((rev, channel))
        for event in events:
            for change in event["data"]["changes"]:
                self._follow(change, event["channel"])
        self._follow_rights(rev)
        for event in events:
            if event["channel"].startswith("inbox.") and target[0] != "inbox":
                self._judge_notice(rev, event)

    def publish(self, secret: str, rev: int, channel: str) -> None:
        """Something that no op says, such as presence, may be known from here on to who reads the channel."""
        self._published[secret].add((rev, channel))

    def may_know(self, person: str, secret: str, until: int) -> bool:
        """Whether the person may know the secret by the rev `until`."""
        return any(self.may_read(person, channel, rev, until) for rev, channel in self._published.get(secret, ()) if rev <= until)

    def may_read(self, person: str, channel: str, since: int, until: int) -> bool:
        """Whether the person reads the channel at a rev from `since` to `until`."""
        for number, (rev, people, permissions) in enumerate(self._rights):
            following = self._rights[number + 1][0] if number + 1 < len(self._rights) else until + 1
            if rev <= until and following > since and reads(person, channel, people, permissions):
                return True
        return False

    def readable_now(self, person: str) -> set[str]:
        """The channels that exist and that the person reads in the end."""
        _, people, permissions = self._rights[-1]
        return {channel for channel in self.channels if reads(person, channel, people, permissions)}

    def told_too_much(self, person: str, text: str, until: int, own: Iterable[str]) -> list[str]:
        """The secrets, op ids and channels in a text that the person may not know; `own` are those that the person brought in."""
        known, text = set(own), _OPAQUE.sub("", _UNDOES.sub("", text))
        secrets = {*SECRET.findall(text), *OP_ID.findall(text)}
        secrets |= {f"{client}:{number}" for client, number in _VECTOR_CLOCK.findall(text)}
        told = [secret for secret in secrets - known if not self.may_know(person, secret, until)]
        channels = set(CHANNEL.findall(_PATTERNS.sub("", text))) - known
        return told + [channel for channel in channels if not self.may_read(person, channel, 0, until)]

    def _is_published(self, word: str, channel: str) -> bool:
        return any(known == channel for _, known in self._published.get(word, ()))

    def _follow(self, change: Mapping[str, Any], channel: str) -> None:
        """Change the item, which must be in the channel that its fields ask for."""
        key = change["collection"], change["id"]
        before = self._items.pop(key, None)
        after: Fields | None
        there: Fields | None
        if "edit" in change:
            text = before or Fields()
            edited = {field: applied(str(text.get(field) or ""), delta) for field, delta in change["edit"].items()}
            after = there = {**text, **edited}
        elif "remove" in change:
            after, there = None, before
        elif "insert" in change:
            after = there = change["insert"]
        else:
            fields = {**(before or {}), **change.get("set", {})}
            after = there = {name: value for name, value in fields.items() if value is not None}
        if after is not None:
            self._items[key] = after
        if there is None or channel_of(key[0], there) != channel:
            self.faults.append(f"misplaced: {key} stands in {channel}")

    def _judge_notice(self, rev: int, event: Mapping[str, Any]) -> None:
        """What the wedding itself tells somebody must be something that this person may know anyway."""
        person = event["channel"].partition(".")[2]
        for word in words_in(event["data"]["changes"]):
            elsewhere = [each for each in self._published[word] if each[1] != event["channel"]]
            if elsewhere and not any(self.may_read(person, channel, since, rev) for since, channel in elsewhere):
                self.faults.append(f"told: {person} hears of {word} in a message of the wedding, {event['id']}")

    def _follow_rights(self, rev: int) -> None:
        people = {item: fields["role"] for (collection, item), fields in self._items.items() if collection == "people"}
        permissions = {item: fields for (collection, item), fields in self._items.items() if collection == "permissions"}
        if (people, permissions) != self._rights[-1][1:]:
            self._rights.append((rev, people, permissions))


def words_in(value: object) -> set[str]:
    """The secrets in anything."""
    text = str(value)
    return {*SECRET.findall(text), *OP_ID.findall(text)}


def words_of(op: Op) -> set[str]:
    """The secrets and channels that an op names: its author knows them."""
    target, data = op["target"], dict(op.get("data") or {})
    words = {target["id"], *words_in(op), *CHANNEL.findall(str(op))}
    if op["action"] in ("edit", "undo", "resolve", "reverse"):
        # These do not say where the item is.
        return words
    # The channel that the author asks for; where a field is missing, the one that is meant then.
    return words if target["collection"] == "inbox" and "person" not in data else words | {channel_of(target["collection"], data)}
