"""What integrators hear from a host: events on their feeds, outcomes of their ops (design D10)."""

from collections import defaultdict

import msgspec
import pytest

from actors.contract.ops import Op, Target
from actors.contract.server_frames import Applied, Rejected
from store.bus import Message
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_bus, running_host
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


class Heard:
    """Messages by subject."""

    def __init__(self) -> None:
        self.by_subject: defaultdict[str, list[bytes]] = defaultdict(list)

    async def hear(self, message: Message) -> None:
        self.by_subject[message.subject].append(message.data)


async def add_integrator(author: LogAuthor, name: str, role: str) -> int:
    people = Op("permission_update", "insert", Target("people", name), author.next_id("ana"), {"name": name, "role": role})
    await author.write("w1", "ana", people)
    marked = Op("permission_update", "insert", Target("permissions", name), author.next_id("ana"), {"integrator": True})
    return await author.write("w1", "ana", marked)


async def test_inv5_a_feed_holds_what_its_integrator_may_read_and_nothing_else(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, jetstream: NatsServer
) -> None:
    """A vendor's feed carries team events and none of the core; each message is one event."""
    feed = Heard()
    async with running_bus(jetstream, "operator") as operator, running_host(settings_of()):
        await operator.subscribe("wedding.w1.feed.>", feed.hear)
        await operator.barrier()
        await author.create_wedding("w1")
        await add_integrator(author, "florist-bot", "vendor")
        await author.insert_task("w1", "t1")
        secret = Op("budget_change", "insert", Target("budget", "b1"), author.next_id("ana"), {"item": "Rings"})
        await author.write("w1", "ana", secret)
        await heard.at(await author.insert_task("w1", "t2"))
        subject = "wedding.w1.feed.florist-bot.tasks.team"
        await eventually(lambda: len(feed.by_subject[subject]) == 2, "both events came")
    assert not [name for name in feed.by_subject if "budget" in name or "permissions" in name]
    assert msgspec.json.decode(feed.by_subject[subject][0])["data"]["changes"][0]["id"] == "t1"


async def test_d10_ops_over_nats_get_outcomes(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, jetstream: NatsServer
) -> None:
    """A refusal is told, and so is `applied` where the author reads nothing of it or asks again; else the feed tells enough."""
    outcomes = Heard()
    async with running_bus(jetstream, "operator") as operator, running_host(settings_of()):
        await operator.subscribe("wedding.w1.outcome.>", outcomes.hear)
        await operator.barrier()
        await author.create_wedding("w1")
        await add_integrator(author, "florist-bot", "vendor")
        missing = Op("task_completion", "update", Target("tasks", "none"), "first", {"title": "x"})
        readable = Op("task_completion", "insert", Target("tasks", "t1"), "second", {"title": "x"})
        unreadable = Op("message_sent", "insert", Target("inbox", "i1"), "third", {"person": "ana", "text": "Hello"})
        for op in (missing, readable, unreadable, readable):
            await heard.at(await author.write("w1", "florist-bot", op, "nats"))
        await eventually(lambda: len(outcomes.by_subject["wedding.w1.outcome.florist-bot"]) >= 3, "the outcomes came")
    first, second, third = (
        msgspec.json.decode(data, type=Applied | Rejected) for data in outcomes.by_subject["wedding.w1.outcome.florist-bot"]
    )
    assert isinstance(first, Rejected)
    assert (first.op, first.code) == ("first", "not_found")
    assert (second, third) == (Applied("third"), Applied("second"))
