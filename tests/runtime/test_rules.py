"""A new version of the rules takes effect at its marker, on every path by which a host decides (design D1)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.contract.ids import partition_of
from actors.contract.markers import ACTIVATE, ActivateRules, encode_directive
from actors.contract.ops import Op, Target
from actors.contract.subjects import marker_subject
from actors.domain.rules import RULES
from actors.runtime import directives
from config.cli import rules_in_force
from config.cli.membership import Standing
from config.cli.rules_in_force import Effective, HostsBehind, VersionUnknown, WouldGoBack
from config.cli.verification.proofs import prove_stored_and_log
from config.settings import Settings
from store import rules, stored_changes, streams
from store.bus import Bus
from store.log_writer import LogWriter
from store.postgres import Database
from tests.runtime.conftest import MakeSettings
from tests.support.hosts import Envelopes, LogAuthor, running_host
from tests.support.refold import require_stored_equals_log

pytestmark = pytest.mark.servers
ALL = range(64)
MARKED = partition_of("w1")
#: Another wedding of the same partition.
NEIGHBOUR = next(name for name in (f"n{number}" for number in range(1000)) if partition_of(name) == MARKED)


class Operator:
    """Whoever types `wedsync rules`."""

    def __init__(self, bus: Bus, database: Database, settings: Settings) -> None:
        self._bus = bus
        self._database = database
        self._settings = settings

    async def activate(self, version: int) -> dict[int, Effective]:
        identity = await streams.identify(self._bus, self._database, self._settings)
        present = await rules_in_force.activate(self._bus, self._database, identity, self._settings, version)
        return {each.partition: each for each in present}

    async def show(self) -> set[int]:
        """Every version that is in force somewhere."""
        identity = await streams.identify(self._bus, self._database, self._settings)
        return {each.version for each in await rules_in_force.in_force(self._bus, self._database, identity, self._settings)}


@pytest.fixture
async def operator(host_bus: Bus, database: Database, settings_of: MakeSettings) -> Operator:
    """An installation that is older than version 2 of the rules."""
    await rules.begin_with(database, ALL, 1)
    settings = settings_of(member_timeout_seconds=1.2)
    await streams.provision(host_bus, database, settings)
    return Operator(host_bus, database, settings)


async def leave(author: LogAuthor, wedding: str, person: str) -> int:
    """The only manager of a wedding leaves it, which version 1 of the rules allows and version 2 does not."""
    op = Op("permission_update", "delete", Target("people", person), author.next_id(person))
    return await author.write(wedding, person, op)


async def test_d1_a_marker_changes_what_is_decided_after_it(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database, operator: Operator
) -> None:
    """Live: the op before the marker is decided as ever, the one after it by the new version; a fresh fold agrees."""
    async with running_host(settings_of()):
        await author.create_wedding("w1", "ana")
        await author.create_wedding("w2", "ben")
        assert (await heard.at(await leave(author, "w1", "ana"))).refusal is None
        assert await operator.show() == {1}
        marked = await operator.activate(2)
        assert await operator.show() == {2}
        refused = (await heard.at(await leave(author, "w2", "ben"))).refusal
        await require_stored_equals_log(host_bus, database)
        assert marked[partition_of("w2")].position in range(4, 68)
    assert refused is not None
    assert refused.code == "not_allowed"


@asynccontextmanager
async def marked_log(author: LogAuthor, operator: Operator) -> AsyncIterator[list[int]]:
    """A log in which one manager leaves before the marker, another one after it; yields the positions of both ops."""
    await author.create_wedding("w1", "ana")
    await author.create_wedding(NEIGHBOUR, "ben")
    before = await leave(author, "w1", "ana")
    await operator.activate(2)
    yield [before, await leave(author, NEIGHBOUR, "ben")]


async def test_d1_take_over_decides_with_the_rules_of_each_position(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database, operator: Operator
) -> None:
    """A host that finds ops on both sides of a marker decides each by its own; so does one that begins behind the marker."""
    async with marked_log(author, operator) as (before, after):
        async with running_host(settings_of()):
            assert (await heard.at(before)).refusal is None
            assert (await heard.at(after)).refusal is not None
        assert [version for _, version in (await rules.markers(database, [MARKED]))[MARKED]] == [1, 2]
        async with running_host(settings_of()):
            assert (await heard.at(await leave(author, NEIGHBOUR, "ben"))).refusal is not None
            await require_stored_equals_log(host_bus, database)


async def test_d1_the_silent_fold_decides_with_the_rules_of_each_position(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, host_bus: Bus, database: Database, operator: Operator
) -> None:
    """What was thrown away is decided again as it was, before and after the marker, and the marker is stored with it."""
    async with running_host(settings_of(flush_interval_seconds=60)) as host, marked_log(author, operator) as (before, after):
        assert (await heard.at(before)).refusal is None
        assert (await heard.at(after)).refusal is not None
        for partition in host.duty.ownership.partitions.values():
            partition.throw_away()
        await host.duty.flusher.flush()
        assert host.counters.silent_folds > 0
        await require_stored_equals_log(host_bus, database)
        (left,) = await stored_changes.read_after(database, "w", "w1", 1, limit_decisions=2)
        assert left.refusal is None
        assert [version for _, version in (await rules.markers(database, [MARKED]))[MARKED]] == [1, 2]


async def test_d1_verify_decides_the_past_with_the_rules_of_its_time(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes, operator: Operator
) -> None:
    """The proofs of `wedsync verify` hold on both sides of a marker."""
    async with running_host(settings_of()), marked_log(author, operator) as (_, after):
        await heard.at(after)
        for wedding in ("w1", NEIGHBOUR):
            live = Standing((await author.ask(wedding, "digest"))[0].rev, await author.digests(wedding, after))
            live = live._replace(channels={name: (head[0], head[1]) for name, head in live.channels.items()})
            proofs = await prove_stored_and_log(wedding, live, settings_of())
            assert [proof.differences for proof in proofs] == [[], []]


@pytest.mark.usefixtures("operator")
async def test_d1_a_host_without_the_rules_halts_that_partition_alone(
    settings_of: MakeSettings,
    author: LogAuthor,
    heard: Envelopes,
    host_bus: Bus,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A build that does not know a version decides nothing after its marker while others go on; a newer build catches up."""
    await author.create_wedding("w1", "ana")
    writer = await LogWriter.open(host_bus, "test")
    await writer.append([(marker_subject("r0", MARKED, ACTIVATE), encode_directive(ActivateRules(2)))])
    after = await leave(author, "w1", "ana")
    other = next(name for name in ("w2", "w3", "w4") if partition_of(name) != MARKED)
    with monkeypatch.context() as old_build:
        old_build.setattr(directives, "RULES", {1: RULES[1]})
        async with running_host(settings_of()) as host:
            assert host.stats()["halted_partitions"] == 1
            assert (await heard.at(await author.create_wedding(other, "ben"))).refusal is None
            assert all(envelope.position != after for envelope in heard.all)
    async with running_host(settings_of()):
        assert (await heard.at(after)).refusal is not None
        await require_stored_equals_log(host_bus, database)


async def test_d1_activation_is_refused_where_it_could_do_harm(
    settings_of: MakeSettings, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown version, a host that would not know it, a way back: refused, and nothing is written. Twice is as once."""
    with pytest.raises(VersionUnknown):
        await operator.activate(99)
    with monkeypatch.context() as old_build:
        old_build.setattr("actors.runtime.heartbeats.NEWEST", 1)
        async with running_host(settings_of()):
            with pytest.raises(HostsBehind, match="host-1"):
                await operator.activate(2)
    assert await operator.show() == {1}
    first = await operator.activate(2)
    assert await operator.activate(2) == first
    with pytest.raises(WouldGoBack):
        await operator.activate(1)


async def test_d1_a_new_installation_begins_with_the_newest_rules(
    settings_of: MakeSettings, author: LogAuthor, heard: Envelopes
) -> None:
    """Where nothing was decided before, no marker is needed."""
    async with running_host(settings_of()):
        await author.create_wedding("w1", "ana")
        assert (await heard.at(await leave(author, "w1", "ana"))).refusal is not None
