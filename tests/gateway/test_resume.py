"""Coming back: events where they suffice, else a whole snapshot, never partly (design D8)."""

from typing import Any

import pytest

from actors.contract.client_frames import Resume
from actors.contract.ops import Op, Target
from gateway.rooms.owner import WeddingState
from gateway.sessions.resume import Choice, choose, withdrawn
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, gateway_settings, running_gateway
from tests.support.hosts import LogAuthor
from tests.support.servers import NatsServer

CHANNELS = {"tasks.team": 10, "wedding.everyone": 1}


@pytest.mark.parametrize(
    ("resume", "tasks"),
    [
        (None, Choice("snapshot", "join")),
        (Resume(1, {"tasks.team": 10}), Choice("events", "resume", 10)),
        (Resume(1, {"tasks.team": 5}), Choice("events", "resume", 5)),
        (Resume(1, {"tasks.team": 4}), Choice("snapshot", "too_old")),
        (Resume(1, {"tasks.team": 11}), Choice("snapshot", "repair")),
        (Resume(1, {"tasks.team": -1}), Choice("snapshot", "repair")),
        (Resume(1, {}), Choice("snapshot", "join")),
        (Resume(2, {"tasks.team": 10}), Choice("snapshot", "generation")),
        (Resume(0, {"tasks.team": 10}), Choice("snapshot", "generation")),
    ],
)
def test_d8_the_choice_between_events_and_snapshot(resume: Resume | None, tasks: Choice) -> None:
    """Events only within one generation, for a named channel that is not ahead and not too far behind."""
    assert choose(resume, 1, CHANNELS, most_events=5)["tasks.team"] == tasks


def test_d8_named_channels_that_are_not_readable_are_withdrawn() -> None:
    """Whatever a client names beyond what it may read is taken from it."""
    assert withdrawn(Resume(1, {"tasks.team": 3, "budget.core": 2}), CHANNELS) == ["budget.core"]


async def test_d8_a_client_that_missed_nothing_gets_empty_events(stack: RunningGateway, found: FoundWedding) -> None:
    """Each channel comes once, as events with an empty list, at the sequence that the client has."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    await ana.close()
    back = await stack.join("w1", "ana", ana.client, resume={"generation": 1, "channels": ana.welcome["channels"]})
    assert back.syncs.keys() == ana.welcome["channels"].keys()
    for channel, [frame] in back.syncs.items():
        assert (frame["mode"], frame["reason"], frame["events"]) == ("events", "resume", [])
        assert frame["sequence"] == ana.welcome["channels"][channel]
        assert frame["digest"] == ana.syncs[channel][0]["digest"]


async def test_d8_what_was_missed_comes_before_synced_at_the_same_gateway(stack: RunningGateway, found: FoundWedding) -> None:
    """Events that happened while a client was away are in its `data_sync`, none of them live, however often it comes back."""
    await found("w1")
    ana, tom = await stack.join("w1", "ana"), await stack.join("w1", "tom")
    seen = tom.welcome["channels"] | {"tasks.team": 0}
    await tom.close()
    for number in range(1, 4):
        await ana.event_of(await ana.insert_task(f"t{number}"))
        back = await stack.join("w1", "tom", tom.client, resume={"generation": 1, "channels": seen})
        [frame] = back.syncs["tasks.team"]
        assert (frame["mode"], frame["sequence"], back.welcome["channels"]["tasks.team"]) == ("events", number, number)
        assert [event["sequence"] for event in frame["events"]] == list(range(1, number + 1))


async def test_d8_missed_events_come_at_another_gateway_without_a_snapshot(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """A gateway that has never seen the wedding brings exactly the events after the named sequences."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    await ana.event_of(await ana.insert_task("cake"))
    seen = ana.welcome["channels"] | {"tasks.team": 1}
    last = 0
    for number in range(5):
        last = await author.rename_task("w1", "cake", f"title {number}")
    await author.digests("w1", last)
    async with running_gateway(gateway_settings(jetstream, database_url, gateway_id="gateway-2")) as other:
        back = await other.join("w1", "ana", ana.client, resume={"generation": 1, "channels": seen})
        [frame] = back.syncs["tasks.team"]
        assert (frame["mode"], frame["reason"], frame["sequence"]) == ("events", "resume", 6)
        assert [event["sequence"] for event in frame["events"]] == [2, 3, 4, 5, 6]
        assert [event["data"]["changes"][0]["set"]["title"] for event in frame["events"]] == [f"title {n}" for n in range(5)]
        assert all(each["mode"] == "events" for [each] in back.syncs.values())
        assert back.welcome["lastOp"] == 1


@pytest.mark.parametrize(("generation", "behind", "reason"), [(1, 4, "too_old"), (0, 0, "generation"), (1, -1, "repair")])
async def test_d8_who_cannot_be_brought_by_events_gets_the_state(
    jetstream: NatsServer,
    database_url: str,
    stack: RunningGateway,
    found: FoundWedding,
    author: LogAuthor,
    generation: int,
    behind: int,
    reason: str,
) -> None:
    """Too far behind, of another generation or ahead of the server: a snapshot with the reason, digest and all."""
    await found("w1")
    last = await author.insert_task("w1", "cake")
    for number in range(5):
        last = await author.rename_task("w1", "cake", f"title {number}")
    await author.digests("w1", last)
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits={"resume_events": 3})
    async with running_gateway(settings) as other:
        resume = {"generation": generation, "channels": {"tasks.team": 6 - behind}}
        back = await other.join("w1", "ana", resume=resume)
        [frame] = back.syncs["tasks.team"]
        assert (frame["mode"], frame["reason"], frame["sequence"]) == ("snapshot", reason, 6)
        assert frame["state"]["tasks"]["cake"]["title"] == "title 4"


async def test_d8_a_client_that_claims_what_never_happened_costs_the_owner_no_states(
    stack: RunningGateway, found: FoundWedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner is asked whether it knows of that, and not for the wedding again, which is here already."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    await ana.event_of(await ana.insert_task("cake"))
    await stack.join("w1", "ben")
    asked: list[bool] = []
    ask = stack.gateway.owner.state

    async def counted(wedding: str, *, content: bool) -> WeddingState:
        asked.append(content)
        return await ask(wedding, content=content)

    monkeypatch.setattr(stack.gateway.owner, "state", counted)
    claims = dict.fromkeys(ana.welcome["channels"], 10**9) | {"tasks.surprise-x": 7}
    back = await stack.join("w1", "ana", resume={"generation": 1, "channels": claims})
    assert {frame["reason"] for frames in back.syncs.values() for frame in frames} == {"repair", "join"}
    assert back.syncs["tasks.team"][0]["state"]["tasks"].keys() == {"cake"}
    assert asked
    assert True not in asked
    assert len(asked) <= 2


async def test_d8_a_client_that_saw_more_than_its_gateway_is_not_thrown_back(
    stack: RunningGateway, found: FoundWedding, author: LogAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it saw at another gateway is fetched before it is answered, and comes as events."""
    await found("w1")
    ana = await stack.join("w1", "ana")
    await ana.event_of(await ana.insert_task("cake"))
    room = stack.gateway.hub.rooms["w1"]
    monkeypatch.setattr(room, "receive", lambda _: None)  # a bus that loses everything
    await author.digests("w1", await author.rename_task("w1", "cake", "three tiers"))
    seen = ana.welcome["channels"] | {"tasks.team": 2}
    back = await stack.join("w1", "ana", resume={"generation": 1, "channels": seen})
    assert {frame["reason"] for frames in back.syncs.values() for frame in frames} == {"resume"}
    assert back.welcome["channels"]["tasks.team"] == 2


async def test_d4_a_channel_that_may_no_longer_be_read_is_withdrawn_at_resume(stack: RunningGateway, found: FoundWedding) -> None:
    """Named channels that the person may not read come as `withdrawn`, before `synced`."""
    await found("w1")
    gia = await stack.join("w1", "gia", resume={"generation": 1, "channels": {"tasks.team": 3, "wedding.everyone": 1}})
    assert {"type": "withdrawn", "channel": "tasks.team"} in gia.before_synced
    assert "tasks.team" not in gia.syncs


async def test_d8_a_resume_in_large_steps_is_cut_into_frames(
    jetstream: NatsServer, database_url: str, stack: RunningGateway, found: FoundWedding, author: LogAuthor
) -> None:
    """Snapshot and events above the chunk size come in several frames, all but the last with `more`; together they are whole."""
    await found("w1")
    last = 0
    for number in range(12):
        last = await author.insert_task("w1", f"t{number}", "x" * 150)
    await author.digests("w1", last)
    settings = gateway_settings(jetstream, database_url, gateway_id="gateway-2", limits={"snapshot_chunk_bytes": 64 * 1024})
    async with running_gateway(settings) as other:
        texts = [other_text(number) for number in range(3)]
        for number, text in enumerate(texts):
            last = await author.write("w1", "ana", document(author, f"d{number}", text))
        await author.digests("w1", last)
        back = await other.join("w1", "ana", resume={"generation": 1, "channels": {"documents.team": 0}})
        frames = back.syncs["documents.team"]
        assert [frame["more"] for frame in frames] == [True] * (len(frames) - 1) + [False]
        assert len(frames) > 1
        events: list[dict[str, Any]] = [event for frame in frames for event in frame["events"]]
        assert [event["data"]["changes"][0]["insert"]["text"] for event in events] == texts


def other_text(number: int) -> str:
    """A text of some 40 KB."""
    return f"{number} " * 20_000


def document(author: LogAuthor, identifier: str, text: str) -> Op:
    data: dict[str, object] = {"title": identifier, "text": text, "audience": "team"}
    return Op("document_edit", "insert", Target("documents", identifier), author.next_id("ana"), data)
