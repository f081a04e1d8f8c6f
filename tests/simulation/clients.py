"""Clients of a made-up world: each appends its ops in order, as gateways do, until the log has acknowledged them.

What is asked is drawn from few items, so that clients meet; some of it is refused, some repeated, some no op at all. An append
whose fate is unknown is sent again op by op (design D5), which puts ops into the log twice. Made by history.
"""

from functools import cache
from typing import Any, Final

import msgspec

from actors.contract.collections import COLLECTIONS
from actors.contract.ops import LogEntry, Op, Source, Target
from actors.contract.subjects import WEDDING, log_subject
from store.errors import StoreError
from tests.simulation.memory_log import MemoryLog
from tests.simulation.processes import Process
from tests.simulation.world import PARTITIONS, World

WEDDINGS: Final = ("ada-and-bob", "cleo-and-dan", "eve-and-finn")
PEOPLE: Final = ("ana", "ben", "cem")
_CREATION: Final[dict[str, Any]] = {
    "title": "Ours", "date": "2027-06-19", "timeZone": "Europe/Berlin", "homeCurrency": "EUR", "role": "couple",
}  # fmt: skip  # the one op that every wedding begins with
_INSERTS: Final[dict[str, dict[str, Any]]] = {
    "tasks": {"title": "Task", "remindAt": "2027-06-19T08:00:02.500Z", "assignee": "ana"},
    "vendors": {
        "name": "Band",
        "account": "band",
        "contractStart": "2027-06-19T20:00:00Z",
        "contractEnd": "2027-06-19T23:00:00Z",
    },
    "timeline": {"title": "Dance", "visibility": "team"},
    "people": {"name": "Ben", "role": "planner"},
    "guests": {"firstName": "Gus"},
    "budget": {"item": "Cake", "estimate": 100},
}
_UPDATES: Final[dict[str, tuple[str, tuple[Any, ...]]]] = {
    "tasks": ("remindAt", ("2027-06-19T08:00:01.000Z", "2027-06-19T08:00:04.000Z")),
    "vendors": ("contractEnd", ("2027-06-19T22:00:00Z", "2027-06-19T21:00:00Z")),
    "timeline": ("visibility", ("everyone", "team", "core")),
    "people": ("role", ("planner", "guest", "family")),
    "guests": ("firstName", ("Gia", "Gil")),
    "budget": ("estimate", (1, 2, 3)),
}
_encode: Final = msgspec.json.Encoder().encode
Message = tuple[str, bytes]


class Client:
    """One author at one installation; `asked` is every op that it may have appended, with whether it knows that it is saved."""

    def __init__(self, world: World, process: Process, number: int, wedding: str, person: str) -> None:
        self.wedding = wedding
        self.person = person
        self.saved: list[str] = []
        self._world = world
        self._random = world.random
        self._process = process
        self._log: MemoryLog = world.log_of(process)
        self._is_author = number == 0
        self._source: Source = "nats" if number and self._random.random() < 0.2 else "websocket"
        self._id = f"20270619-{person}{number:04d}"
        self._number = 0
        self._sent: list[tuple[str, Message]] = []

    async def work(self, ops: int, seconds: float) -> None:
        """Ask that many things within a time, one or a few at once."""
        while self._number < ops:
            await self._process.pause(2 * seconds / ops * self._random.random())
            burst = self._random.choice((1, 1, 1, 2, 4))
            await self._append([self._next() for _ in range(min(burst, ops - self._number))])
            if self._random.random() < 0.15:
                await self._append(self._random.sample(self._sent, 1))

    async def _append(self, ops: list[tuple[str, Message]]) -> None:
        messages = [message for _, message in ops]
        if self._random.random() < 0.03:
            messages.append((messages[0][0], b'{"op": "no op at all"}'))
        try:
            await self._log.append(messages)
        except StoreError:
            for _, message in ops:
                await self._append_alone(message)
        self.saved += [op for op, _ in ops]

    async def _append_alone(self, message: Message) -> None:
        while True:
            try:
                await self._log.append([message])
                return
            except StoreError:
                self._world.seen["unknown appends"] += 1
                await self._process.pause(0.2)

    def _next(self) -> tuple[str, Message]:
        self._number += 1
        op_id = (
            f"{self._id}:{self._number}" if self._source == "websocket" else f"intake-{self._id[-4:]}{self.person}:{self._number}"
        )
        op = self._op(op_id)
        sent = (op_id, (_subject(self.wedding, self.person), _encode(LogEntry(op, self._source, "sim"))))
        self._sent.append(sent)
        return sent

    def _op(self, op_id: str) -> Op:
        draw = self._random
        if self._number == 1 and self._is_author:
            return Op(COLLECTIONS["wedding"].type, "insert", Target("wedding", self.wedding), op_id, _CREATION)
        if self._number <= len(PEOPLE) and self._is_author:
            person = Target("people", PEOPLE[self._number - 1])
            return Op(COLLECTIONS["people"].type, "insert", person, op_id, _INSERTS["people"])
        collection = draw.choice(("tasks", "tasks", "vendors", "timeline", "people", "guests", "budget"))
        item = draw.choice(PEOPLE) if collection == "people" else draw.choice("abc")
        action = draw.choice(("insert", "insert", "insert", "update", "update", "update", "delete"))
        data: dict[str, Any] = {}
        if action == "insert":
            data = _INSERTS[collection]
        elif action == "update":
            field, values = _UPDATES[collection]
            data = {field: draw.choice(values)}
        return Op(COLLECTIONS[collection].type, action, Target(collection, item), op_id, data)


@cache
def _subject(wedding: str, person: str) -> str:
    return log_subject("r0", WEDDING, wedding, person, PARTITIONS)
