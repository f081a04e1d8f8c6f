"""One host: ops from the log to envelopes, stored changes and answers (design D1, D2, D7)."""

import msgspec
import pytest

from actors.contract.calls import ChannelChunk, StateHead
from actors.contract.envelopes import Envelope
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host

pytestmark = pytest.mark.servers


async def test_d1_an_op_of_the_log_becomes_an_envelope(settings_of: MakeSettings, author: LogAuthor, heard: Envelopes) -> None:
    """What is appended to the log is decided and told to the gateways, revs and channel sequences without a hole."""
    async with running_host(settings_of()):
        created = await author.create_wedding("w1")
        inserted = await author.insert_task("w1", "t1")
        first, second = await heard.at(created), await heard.at(inserted)
    assert (first.rev, second.rev) == (1, 2)
    assert first.refusal is None
    assert [(part.channel, part.sequence) for part in second.parts] == [("tasks.team", 1)]
    assert second.op == "20270619-ana0000:2"


async def test_d2_the_owner_answers_with_the_whole_state(settings_of: MakeSettings, author: LogAuthor) -> None:
    """`state` gives head and channels at one rev, and `digest` agrees with it."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = await author.insert_task("w1", "t1", "Flowers")
        digests = await author.digests("w1", position)
        head, *chunks = await author.ask("w1", "state", position=position)
    state = msgspec.json.decode(head.body, type=StateHead)
    assert {name: list(head) for name, head in state.channels.items()} == digests
    assert state.members["ana"].role == "couple"
    items = {chunk.channel: msgspec.json.decode(chunk.state) for chunk in (_chunk(reply.body) for reply in chunks)}
    assert items["tasks.team"]["tasks"]["t1"]["title"] == "Flowers"
    assert {reply.rev for reply in (head, *chunks)} == {2}


def _chunk(body: msgspec.Raw) -> ChannelChunk:
    return msgspec.json.decode(body, type=ChannelChunk)


async def test_d7_a_host_that_starts_again_knows_everything(settings_of: MakeSettings, author: LogAuthor) -> None:
    """After an orderly end the next host has the same digests, from Postgres alone."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = await author.insert_task("w1", "t1")
        before = await author.digests("w1", position)
    async with running_host(settings_of()):
        assert await author.digests("w1") == before


async def test_d2_since_gives_the_missed_envelopes(settings_of: MakeSettings, author: LogAuthor, heard: Envelopes) -> None:
    """`since` answers by rev and by channel sequences with the envelopes that were sent, contiguous up to the head."""
    async with running_host(settings_of()):
        await author.create_wedding("w1")
        position = [await author.insert_task("w1", f"t{number}") for number in range(5)][-1]
        await heard.at(position)
        by_rev = await author.ask("w1", "since", position=position, rev=3)
        by_channel = await author.ask("w1", "since", position=position, channels={"tasks.team": 2})
    assert [envelope.rev for envelope in _envelopes(by_rev[0].body)] == [4, 5, 6]
    assert [envelope.rev for envelope in _envelopes(by_channel[0].body)] == [4, 5, 6]
    assert _envelopes(by_rev[0].body) == [envelope for envelope in heard.all if envelope.rev > 3]


def _envelopes(body: msgspec.Raw) -> list[Envelope]:
    return msgspec.json.decode(body, type=list[Envelope])


async def test_d2_an_unknown_wedding_is_said_to_be_so_and_not_kept(settings_of: MakeSettings, author: LogAuthor) -> None:
    """A question about a wedding that never existed is answered, and leaves nothing in memory."""
    async with running_host(settings_of()) as host:
        (reply,) = await author.ask("nobody", "state")
        assert reply.error == "wedding_unknown"
        assert host.stats()["awake_actors"] == 0
