"""What the owner answers, and when it may: behind, taking over, unknown, repeats, large states (design D2, D4, D5, D8)."""

from typing import Any

import msgspec
import pytest

from actors.contract.calls import CHUNK_BYTES, ChannelChunk, HistoryEnd, PermissionsBody
from actors.contract.envelopes import Envelope, Heads
from actors.contract.events import Event
from actors.contract.ids import partition_of
from actors.contract.ops import Op, Target
from actors.contract.subjects import call_subject, heads_subject
from store.bus import Message
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


async def test_d2_an_owner_that_is_behind_says_so(settings_of: MakeSettings, author: LogAuthor) -> None:
    """A question that names a position which the owner has not read is answered `behind`, never with an older state."""
    async with running_host(settings_of(read_behind_wait_seconds=0.05)):
        position = await author.create_wedding("w1")
        assert (await author.ask("w1", "digest", position=position + 1000))[0].error == "behind"
        assert (await author.ask("w1", "digest", position=0))[0].error == ""


async def test_d2_a_new_owner_answers_only_when_it_has_read_what_was_there(settings_of: MakeSettings, author: LogAuthor) -> None:
    """What was saved while no host was alive is in the first answer of the next one."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
    for number in range(20):
        await author.insert_task("w1", f"t{number}")
    async with running_host(settings_of()):
        assert (await author.digests("w1"))["tasks.team"][0] == 20


async def test_d2_a_host_that_lost_itself_answers_nothing(
    settings_of: MakeSettings, author: LogAuthor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that has not heard its own heartbeats stays silent: others may own the wedding."""
    inbox = author.bus.new_inbox()
    answers: list[Message] = []

    async def listen(message: Message) -> None:
        answers.append(message)

    await author.bus.subscribe(inbox, listen)
    async with running_host(settings_of()) as host:
        await author.digests("w1", await author.create_wedding("w1"))
        monkeypatch.setattr(host.duty.calls, "_is_current", lambda: False)
        reads = host.counters.reads
        await author.bus.publish(call_subject("r0", "w", "w1", "digest"), b"{}", reply=inbox)
        await eventually(lambda: host.counters.reads > reads, "the question came")
        await eventually(lambda: not host.duty.calls.questions, "it is dealt with")
    await author.bus.barrier()
    assert not answers


async def test_d5_a_repeat_gets_the_same_answer_however_old(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes
) -> None:
    """An op sent again is answered with its first outcome and decided no second time, also one that only Postgres remembers."""
    async with running_host(settings_of()) as host:
        await author.create_wedding("w1")
        refused = Op("task_completion", "update", Target("tasks", "missing"), author.next_id("ana"), {"title": "x"})
        await author.write("w1", "ana", refused)
        for number in range(40):
            await author.insert_task("w1", f"t{number}")
        repeat = await heard.at(await author.write("w1", "ana", refused))
        assert (repeat.decided, repeat.rev, repeat.next) == (False, 42, 43)
        assert repeat.refusal is not None
        assert repeat.refusal.code == "not_found"
        assert host.counters.look_ups == 1


async def test_d5_a_hole_in_the_numbers_is_not_decided(settings_of: MakeSettings, author: LogAuthor, heard: Envelopes) -> None:
    """An op that comes before its turn is answered `resend_from` with the number that is taken next."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        author.next_id("ana")
        answer = await heard.at(await author.insert_task("w1", "t1"))
        assert (answer.decided, answer.next) == (False, 2)
        assert answer.refusal is not None
        assert answer.refusal.code == "resend_from"


async def test_d8_the_beacon_names_what_changed_and_breaks_the_silence(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes
) -> None:
    """Each partition's owner says where its changed weddings stand, and says something even when nothing changed."""
    beacons: dict[int, Heads] = {}

    async def listen(message: Message) -> None:
        heads = msgspec.json.decode(message.data, type=Heads)
        beacons[heads.partition] = heads

    await author.bus.subscribe(heads_subject("r0", "*"), listen)
    async with running_host(settings_of(heads_interval_seconds=0.05)):
        envelope = await heard.at(await author.create_wedding("w1"))
        told = await eventually(lambda: [head for heads in beacons.values() for head in heads.heads], "the change is told")
        assert [(head.id, head.position, head.rev, head.acl) for head in told] == [("w1", envelope.position, 1, 1)]
        await eventually(lambda: len(beacons) == 64, "every partition speaks")


async def test_d8_a_large_state_comes_in_chunks_at_one_rev(settings_of: MakeSettings, author: LogAuthor) -> None:
    """A channel above 512 KB is cut between items; the chunks together are the channel."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = [await write_document(author, f"d{number}", 40_000) for number in range(30)][-1]
        replies = await author.ask("w1", "state", position=position)
    assert all(len(msgspec.json.encode(reply)) < CHUNK_BYTES + 4096 for reply in replies)
    chunks = [msgspec.json.decode(reply.body, type=ChannelChunk) for reply in replies[1:]]
    documents = [chunk for chunk in chunks if chunk.channel == "documents.team"]
    assert [chunk.more for chunk in documents] == [True] * (len(documents) - 1) + [False]
    assert len(documents) > 2
    found = [name for chunk in documents for name in msgspec.json.decode(chunk.state)["documents"]]
    assert sorted(found) == sorted(f"d{number}" for number in range(30))
    assert len({reply.rev for reply in replies}) == 1


async def test_d8_since_reads_the_stored_changes_and_says_when_it_is_too_far(
    settings_of: MakeSettings, author: LogAuthor
) -> None:
    """What is no longer in memory comes from Postgres; what is further back than the limits is `too_old`."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = [await author.insert_task("w1", f"t{number}") for number in range(100)][-1]
    async with running_host(settings_of()):
        by_rev = await author.ask("w1", "since", position=position, rev=10)
        by_channel = await author.ask("w1", "since", position=position, channels={"tasks.team": 40, "wedding.everyone": 1})
        ahead = await author.ask("w1", "since", position=position, channels={"tasks.team": 400})
    assert [envelope.rev for envelope in _envelopes(by_rev)] == list(range(11, 102))
    assert [envelope.rev for envelope in _envelopes(by_channel)] == list(range(42, 102))
    assert ahead[0].error == "too_old"
    limits = {"limits": {"resume_events": 20}}
    async with running_host(settings_of(**limits)):
        assert (await author.ask("w1", "since", channels={"tasks.team": 40}))[0].error == "too_old"


def _envelopes(replies: list[Any]) -> list[Envelope]:
    return [envelope for reply in replies for envelope in msgspec.json.decode(reply.body, type=list[Envelope])]


async def test_d4_history_holds_only_what_the_rights_include(settings_of: MakeSettings, author: LogAuthor) -> None:
    """`history` gives the events of readable channels, stored and unstored, in order."""
    async with running_host(settings_of(flush_interval_seconds=30)) as host:
        await author.create_wedding("w1")
        for number in range(5):
            await author.insert_task("w1", f"t{number}")
        position = await write_document(author, "secret", 10, audience="core")
        await author.digests("w1", position)
        await host.duty.flusher.flush()
        position = await author.insert_task("w1", "unstored")
        team = await author.ask("w1", "history", position=position, rights=("*.team", "*.everyone"))
        few = await author.ask("w1", "history", position=position, rights=("*.team", "*.everyone"), limit=3)
    events = msgspec.json.decode(team[0].body, type=list[Event])
    assert msgspec.json.decode(team[-1].body, type=HistoryEnd) == HistoryEnd(8, more=False)
    assert msgspec.json.decode(few[-1].body, type=HistoryEnd) == HistoryEnd(2, more=True)
    assert [event.channel for event in events] == ["people.everyone", "wedding.everyone"] + ["tasks.team"] * 6
    assert len(msgspec.json.decode(few[0].body)) == 3


async def test_d4_permissions_and_bad_questions(settings_of: MakeSettings, author: LogAuthor) -> None:
    """`permissions` names members and rights; a question that cannot be read is said to be so."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        (reply,) = await author.ask("w1", "permissions")
        assert msgspec.json.decode(reply.body, type=PermissionsBody).members["ana"].role == "couple"
        assert (await author.ask("w1", "since", rev="nonsense"))[0].error == "bad_question"


async def write_document(author: LogAuthor, name: str, size: int, audience: str = "team") -> int:
    """An item of about so many bytes."""
    data: dict[str, object] = {"title": name, "text": "x" * size, "audience": audience}
    return await author.write("w1", "ana", Op("document_edit", "insert", Target("documents", name), author.next_id("ana"), data))


_NOW_MS = 4_000_000_000_000


async def test_inv6_the_past_is_told_whole_or_not_at_all(settings_of: MakeSettings, author: LogAuthor, heard: Envelopes) -> None:
    """Decisions of a held partition are neither in memory nor stored: who asks for them is told `waking`."""
    async with running_host(settings_of(flush_interval_seconds=3600)) as host:
        await heard.at(await author.create_wedding("w1"))
        await host.duty.flusher.flush(whole=True)
        position = await author.insert_task("w1", "t1")
        envelope = await heard.at(position)
        host.duty.ownership.partitions[partition_of("w1")].hold(position)
        why = {"collection": "tasks", "id": "t1", "field": "title"}
        questions: list[tuple[str, dict[str, Any]]] = [
            ("history", {}),
            ("past", {"at_ms": _NOW_MS}),
            ("why", why),
            ("undo", {"principal": "ana", "op": envelope.op}),
            ("audit", {"repair": True}),
        ]
        for call, question in questions:
            assert (await author.ask("w1", call, **question))[0].error == "waking", call
        older: list[tuple[str, dict[str, Any]]] = [
            ("history", {"limit": 1, "rights": ["*.team", "*.everyone"]}),
            ("history", {"since_ms": _NOW_MS}),
            ("past", {"at_ms": 1}),
            ("why", why | {"before_rev": 2}),
        ]
        for call, question in older:
            assert (await author.ask("w1", call, **question))[0].error == "", call
        assert host.counters.divergences_found == 0
        assert (await heard.at(await author.insert_task("w1", "t2"))).rev == 3


async def test_d5_a_repeat_is_not_looked_up_for_as_long_as_a_partition_is_held(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes
) -> None:
    """Its outcome may be one that was thrown away: who asks is told to ask later, and the places are left to others."""
    async with running_host(settings_of(flush_interval_seconds=3600)) as host:
        await heard.at(await author.create_wedding("w1"))
        first = Op("task_completion", "insert", Target("tasks", "t0"), author.next_id("ana"), {"title": "x"})
        position = await author.write("w1", "ana", first)
        for number in range(40):
            await author.insert_task("w1", f"more{number}")
        await heard.at(await author.insert_task("w1", "last"))
        host.duty.ownership.partitions[partition_of("w1")].hold(position)
        repeat = await heard.at(await author.write("w1", "ana", first))
        assert repeat.refusal is not None
        assert repeat.refusal.code == "unavailable"
