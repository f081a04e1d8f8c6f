"""The weddings of the bench: their people, their items, and the edits that members make.

Every wedding has the same items, so that an edit is a ready-made piece of JSON; members may all read everything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from actors.contract.channels import channel_of
from actors.contract.collections import COLLECTIONS
from bench.installation import Site
from gateway.client import Client

Items = Mapping[str, Mapping[str, Mapping[str, Any]]]

#: All of them read and write everything, so each op is delivered to all.
ROLES: Final = ("couple", "couple", "planner", "planner", "planner")
#: Fields that decide the channel of an item: changing them is another load than this one.
_NOT_EDITED: Final = frozenset({"visibility", "audience", "payer"})
_PARALLEL: Final = 16
_encode = msgspec.json.Encoder().encode


class MemberPlan(NamedTuple):
    """One socket of the load."""

    wedding: str
    user: str
    token: str


class Edit(NamedTuple):
    """An update of one field, as the part of an op's JSON after its id and up to the sequence in `base`."""

    json: str
    channel: str


def small_wedding() -> Items:
    """A wedding of some forty items in the collections that are edited most."""
    return {
        "timeline": {f"programme-{hour}": _programme(hour) for hour in range(10, 22)},
        "tasks": {f"task-{number}": {"title": f"Task {number}", "done": False} for number in range(8)},
        "guests": {
            f"guest-{number}": {"firstName": f"Guest {number}", "rsvp": "pending", "meal": "fish", "child": False}
            for number in range(10)
        },
        "tables": {f"table-{number}": {"name": f"Table {number}", "capacity": 8, "x": 0, "y": 0} for number in range(4)},
        "vendors": {f"vendor-{number}": {"name": f"Vendor {number}", "notes": "none"} for number in range(4)},
        "budget": {
            f"row-{number}": {"item": f"Row {number}", "estimate": 100_000, "actual": 0, "notes": "none"} for number in range(6)
        },
    }


def _programme(hour: int) -> Mapping[str, Any]:
    return {
        "title": f"Programme at {hour}",
        "start": f"2027-06-19T{hour}:00:00Z",
        "durationMin": 30,
        "anchored": False,
        "resource": "garden",
        "visibility": "team",
        "notes": "to be confirmed",
    }


def edits_of(items: Items, seed: int, count: int = 2_000) -> list[Edit]:
    """Draw random updates: a random item, a random field of it, a new value of its kind."""
    draw = random.Random(seed)
    fields = [
        (collection, identifier, field, value)
        for collection, entries in items.items()
        for identifier, item in entries.items()
        for field, value in item.items()
        if field not in _NOT_EDITED and not isinstance(value, list | dict)
    ]
    return [_edit(draw, items, *draw.choice(fields)) for _ in range(count)]


def _edit(draw: random.Random, items: Items, collection: str, identifier: str, field: str, value: object) -> Edit:
    channel = channel_of(collection, items[collection][identifier])
    parts = (
        f'"type":"{COLLECTIONS[collection].type}"',
        '"action":"update"',
        f'"target":{{"collection":"{collection}","id":"{identifier}"}}',
        f'"data":{{"{field}":{_encode(_new_value(draw, collection, field, value)).decode()}}}',
        f'"base":{{"{channel}":',
    )
    return Edit(",".join(parts), channel)


def _new_value(draw: random.Random, collection: str, field: str, value: object) -> object:
    if isinstance(value, bool):
        return draw.random() < 0.5
    if isinstance(value, int):
        return draw.randrange(1_000)
    check = COLLECTIONS[collection].fields[field]
    free_text = f"changed to {draw.randrange(1_000_000)} by one of the members of this wedding"
    return free_text if check(free_text) is None else value


async def found_weddings(site: Site, weddings: int, members: int, items: Items, *, prefix: str = "bench") -> list[MemberPlan]:
    """Create the weddings with all people and items through HTTP and sockets; returns one plan per socket."""
    names = [f"{prefix}-{number}" for number in range(weddings)]
    users = [f"member-{number}" for number in range(members)]
    gate = asyncio.Semaphore(_PARALLEL)

    async def found(session: aiohttp.ClientSession, wedding: str) -> None:
        async with gate:
            await found_wedding(site, session, wedding, users, items)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(found(session, wedding) for wedding in names))
    return [MemberPlan(wedding, user, site.token(user, wedding)) for wedding in names for user in users]


async def found_wedding(site: Site, session: aiohttp.ClientSession, wedding: str, users: Sequence[str], items: Items) -> None:
    """Create one wedding: its first user is its author, who adds the others and all items."""
    token = site.token(users[0], wedding)
    body = {"id": wedding, "title": "Bench", "date": "2027-06-19", "timeZone": "Europe/Zurich"}
    body |= {"homeCurrency": "CHF", "role": ROLES[0]}
    url = f"{site.url}/api/collaboration/weddings"
    busy = True
    while busy:
        async with session.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
            busy = answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            # After a 503 the wedding may exist all the same.
            if not busy and answer.status not in (HTTPStatus.CREATED, HTTPStatus.CONFLICT):
                raise RuntimeError(f"{url} answered {answer.status}: {await answer.text()}")
    async with Client(site.url, wedding, token, session=session) as client:
        ops = [
            client.insert("people", user, {"name": user, "role": ROLES[number % len(ROLES)]})
            for number, user in enumerate(users)
            if number
        ]
        ops += [client.insert(name, identifier, item) for name, entries in items.items() for identifier, item in entries.items()]
        for op in ops:
            outcome = await op.outcome()
            if not outcome.applied:
                raise RuntimeError(f"{wedding}: {outcome}")
