"""What was readable for whom and since when: the decided ops in their order, folded by the matrix.

A secret is a word that one op alone brought in, or the name of an item or of an op. It is published in a channel whenever an op
shows it there. Somebody may know it who reads that channel then or at any later time: a right to a channel covers its past, and
never what came after it was lost (docs/permissions.md). Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from bench.secrecy.matrix import channel_of, reads

#: Words of items, their ids, names of ops over NATS, and what presence says.
SECRET: Final = re.compile(r"(?:mk|id|op|pr)\d+q")
OP_ID: Final = re.compile(r"\d{8}-[0-9a-z]{4,}:\d+")
_VECTOR_CLOCK: Final = re.compile(r'"[a-z]+/(\d{8}-[0-9a-z]{4,})":\s*(\d+)')
_SECTIONS: Final = "timeline|budget|vendors|guests|documents|photos|tasks|messages|inbox|permissions|conflicts|wedding|people"
#: One's own rights, as patterns of which the last that matches decides: words of the protocol and no channels of this wedding.
_PATTERNS: Final = re.compile(r'"(?:mayRead|rules)":\s*\[[^\]]*\]')
CHANNEL: Final = re.compile(
    rf"\b(?:(?:{_SECTIONS})\.(?:everyone|team|core|family|(?:payer|surprise|private)-[a-z]+)|inbox\.[a-z]+)\b"
)

Op = Mapping[str, Any]


class Truth:
    """See the module. `decided` takes the applied ops in the order of the log."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], dict[str, Any]] = {}
        #: After which rev who was what, and what was said of them.
        self._rights: list[tuple[int, dict[str, str], dict[str, dict[str, Any]]]] = [(0, {}, {})]
        self._published: dict[str, set[tuple[int, str]]] = defaultdict(set)
        #: Everything that ever had an event, with its first.
        self.channels: dict[str, int] = {}

    def decided(self, rev: int, identifier: str, op: Op, author: str) -> None:
        """Follow one applied op."""
        collection, item = op["target"]["collection"], op["target"]["id"]
        before = self._items.get((collection, item))
        after = _after(before, op)
        shown: dict[str, str] = {}
        if before is not None:
            shown[channel_of(collection, before)] = ""
        if after is not None:
            channel = channel_of(collection, after)
            is_whole = before is None or channel not in shown
            shown[channel] = str(after if is_whole else op.get("data"))
            self._items[collection, item] = after
        else:
            self._items.pop((collection, item), None)
        self._follow_rights(rev, op, author)
        for channel, text in shown.items():
            self.channels.setdefault(channel, rev)
            for secret in {identifier, item, *SECRET.findall(text)}:
                self._published[secret].add((rev, channel))

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
        known = set(own)
        secrets = {*SECRET.findall(text), *OP_ID.findall(text)}
        secrets |= {f"{client}:{number}" for client, number in _VECTOR_CLOCK.findall(text)}
        told = [secret for secret in secrets - known if not self.may_know(person, secret, until)]
        channels = set(CHANNEL.findall(_PATTERNS.sub("", text))) - known
        return told + [channel for channel in channels if not self.may_read(person, channel, 0, until)]

    @staticmethod
    def words_of(op: Op) -> set[str]:
        """The secrets and channels that an op names: its author knows them."""
        target, data = op["target"], dict(op.get("data") or {})
        words = {target["id"], *SECRET.findall(str(op)), *CHANNEL.findall(str(op))}
        # The channel that the author asks for; where a field is missing, the one that is meant then.
        return (
            words
            if target["collection"] == "inbox" and "person" not in data
            else words | {channel_of(target["collection"], data)}
        )

    def _follow_rights(self, rev: int, op: Op, author: str) -> None:
        collection, item = op["target"]["collection"], op["target"]["id"]
        _, people, permissions = self._rights[-1]
        people, permissions = dict(people), dict(permissions)
        if collection == "wedding" and op["action"] == "insert":
            people[author] = op["data"]["role"]
        elif collection == "people":
            people.pop(item, None)
            if (fields := self._items.get((collection, item))) is not None:
                people[item] = fields["role"]
        elif collection == "permissions":
            permissions.pop(item, None)
            if (fields := self._items.get((collection, item))) is not None:
                permissions[item] = fields
        else:
            return
        self._rights.append((rev, people, permissions))


def _after(before: Mapping[str, Any] | None, op: Op) -> dict[str, Any] | None:
    """The item once the op is applied."""
    if op["action"] == "delete":
        return None
    fields = dict(before or {})
    if op["action"] != "move":
        fields |= op.get("data") or {}
    return {name: value for name, value in fields.items() if value is not None}
