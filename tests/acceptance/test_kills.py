"""The second promise: whatever is killed, every saved op has exactly one decision and everybody hears each event once."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest

from bench.faults import KILLED, Crowd, one_fault
from bench.installation import Site
from bench.wedding_load import MemberPlan, found_weddings, small_wedding
from bench.witness import stored_decisions
from gateway.client import Client
from tests.support.agreement import digests_of_actor, digests_of_fresh_fold, digests_of_stored_changes, read_by, with_items
from tests.support.waiting import eventually
from tests.support.wedsync_process import WedSync

OPS_PER_SECOND = 100.0
SECONDS = 4.0


@pytest.fixture
async def members(site: Site, request: pytest.FixtureRequest) -> list[MemberPlan]:
    """Three weddings of three, founded for this test."""
    letters = "".join(letter for letter in request.node.name.lower() if letter.isalnum())
    return await found_weddings(site, 3, 3, small_wedding(), prefix=letters[-40:])


@pytest.fixture
async def crowd(site: Site, http: aiohttp.ClientSession, members: list[MemberPlan]) -> AsyncIterator[Crowd]:
    """Every member as a real client."""
    people = Crowd(site, http, members, seed=1)
    await people.join()
    yield people
    await people.leave()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("role", KILLED)
async def test_kill_9_under_load_breaks_no_promise(wedsync: WedSync, site: Site, crowd: Crowd, role: str) -> None:
    """One process gets SIGKILL while nine clients edit: no op is lost, decided or heard twice, nobody needs a full state."""
    result = await one_fault(site, crowd, role, rate=OPS_PER_SECOND, seconds=SECONDS)
    wedsync.wait_until_serving()
    assert result["applied"] == result["ops"] == OPS_PER_SECOND * SECONDS
    assert result["broken"] == 0, str(result)
    assert result["full_states_instead_of_events"] == 0, str(result)


@pytest.mark.timeout(120)
async def test_d5_killing_everything_at_once_loses_no_saved_op(
    wedsync: WedSync, site: Site, http: aiohttp.ClientSession, members: list[MemberPlan]
) -> None:
    """SIGKILL of the whole tree in the middle of a load: after the next start every saved op is decided once and in the state."""
    member = members[0]
    client = Client(site.url, member.wedding, member.token, session=http)
    await client.connect()
    ops = [client.insert("tasks", f"late-{number}", {"title": f"Task {number}"}) for number in range(300)]
    await client.until(lambda: sum(op.is_saved for op in ops) >= 50)
    kill_the_tree(wedsync, site)
    saved = [op for op in ops if op.is_saved]
    wedsync.start()
    outcomes = [await op.outcome() for op in ops]
    assert len(saved) >= 50
    assert all(outcome.applied for outcome in outcomes)
    assert all(op.op.target.id in client.confirmed()["tasks"] for op in ops)
    expected = await digests_of_actor(site, member.wedding)
    assert with_items(client.digests()) == read_by(client.user, expected)
    await eventually(lambda: _stored_is(site, member.wedding, expected), "the stored changes hold everything")
    assert await digests_of_fresh_fold(site, member.wedding) == expected
    decisions = [decision.op for decision in await stored_decisions(site, member.wedding)]
    assert len(set(decisions)) == len(decisions)
    await client.close()


def kill_the_tree(wedsync: WedSync, site: Site) -> None:
    """SIGKILL the supervisor first, so that it starts nothing again, then everything else."""
    pids = [entry["pid"] for entry in site.processes() if entry["pid"]]
    wedsync.kill()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _stored_is(site: Site, wedding: str, expected: dict[str, str]) -> bool:
    return await digests_of_stored_changes(site, wedding) == expected
