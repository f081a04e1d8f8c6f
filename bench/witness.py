"""What clients saw and what was stored, compared op by op: the promises INV1 to INV7 as counts of what broke them.

A `Witness` listens to one client from its start. Used by the fault bench and by the acceptance tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from actors.contract.decisions import Decision, Part
from actors.contract.events import Event
from bench.installation import Site
from config.supervision.roles import role_settings
from gateway.client import Client, Outcome, Pending
from gateway.client.replica import SyncReport
from store.postgres import Database
from store.stored_changes import read_after

_PAGE = 2_000


def is_read_by(person: str, channel: str) -> bool:
    """Tell whether a member of couple or planner gets the channel: an inbox is one person's."""
    section, _, owner = channel.partition(".")
    return section != "inbox" or owner == person


class Witness:
    """Everything that one client was told, in order."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.events: list[Event] = []
        self.snapshots: list[SyncReport] = []
        self._held = set(client.sequences())
        client.listening.on_event.append(self.events.append)
        client.listening.on_sync.append(self._synced)

    def _synced(self, report: SyncReport) -> None:
        if report.snapshot:
            self.snapshots.append(report)

    def snapshots_after_joining(self) -> list[SyncReport]:
        """The full states that came later than the first."""
        return [report for report in self.snapshots if report.reason != "join"]

    def holes_and_repeats(self) -> int:
        """How often an event was not the next one of its channel."""
        last: dict[str, int] = {}
        wrong = 0
        for event in self.events:
            wrong += event.channel in last and event.sequence != last[event.channel] + 1
            last[event.channel] = event.sequence
        return wrong

    def reads(self, channel: str) -> bool:
        """Tell whether this member gets the channel; everybody who is watched is of couple or planner."""
        return is_read_by(self.client.user, channel)

    def hears(self, channel: str) -> bool:
        """Tell whether each event of the channel must come as an event.

        One that came into being while this member was away, as an inbox does with its first notice, comes whole.
        """
        came_whole = any(report.channel == channel and report.reason == "join" for report in self.snapshots)
        return self.reads(channel) and (channel in self._held or not came_whole)

    def seen(self) -> Counter[tuple[str, str]]:
        """How often each op was seen in each channel."""
        return Counter((event.id, event.channel) for event in self.events)


class Verdict(NamedTuple):
    """What broke; all zero is the promise kept."""

    ops: int
    applied: int
    unanswered: int
    undecided: int
    decided_twice: int
    answered_otherwise: int
    events_missing: int
    events_repeated: int
    holes: int
    digests_apart: int

    @property
    def broken(self) -> int:
        """How many promises were broken in all."""
        return sum(self) - self.ops - self.applied


async def judge(ops: Sequence[Pending], witnesses: Iterable[Witness], decisions: Sequence[Decision]) -> Verdict:
    """Compare the outcomes of one wedding's ops with the stored decisions and with what every witness of its wedding saw.

    The witnesses must have been listening since before the first op, and read every channel that they wrote, but for inboxes.
    """
    answered = [await op.outcome() for op in ops if op.done]
    stored: dict[str, list[Decision]] = {}
    for decision in decisions:
        stored.setdefault(decision.op, []).append(decision)
    expected = {(outcome.op, part.channel) for outcome in answered for part in _parts(stored, outcome)}
    seen = [(witness, witness.seen()) for witness in witnesses]
    return Verdict(
        ops=len(ops),
        applied=sum(outcome.applied for outcome in answered),
        unanswered=len(ops) - len(answered),
        undecided=sum(outcome.op not in stored for outcome in answered),
        decided_twice=sum(len(stored.get(outcome.op, ())) > 1 for outcome in answered),
        answered_otherwise=sum(
            outcome.op in stored and outcome.applied != (stored[outcome.op][0].refusal is None) for outcome in answered
        ),
        events_missing=sum(key not in events for key in expected for witness, events in seen if witness.hears(key[1])),
        events_repeated=sum(count > 1 for _, events in seen for count in events.values()),
        holes=sum(witness.holes_and_repeats() for witness, _ in seen),
        digests_apart=_digests_apart([witness for witness, _ in seen]),
    )


def _digests_apart(witnesses: Sequence[Witness]) -> int:
    """Count the members that differ from the first in what both read."""
    first = witnesses[0].client.digests()
    return sum(
        any(
            digests.get(name) != first.get(name)
            for name in digests.keys() | first.keys()
            if witness.reads(name) and witnesses[0].reads(name)
        )
        for witness in witnesses
        for digests in [witness.client.digests()]
    )


def _parts(stored: dict[str, list[Decision]], outcome: Outcome) -> Sequence[Part]:
    return stored[outcome.op][0].parts if outcome.op in stored else ()


async def stored_decisions(site: Site, wedding: str) -> list[Decision]:
    """Read every stored decision of a wedding from PostgreSQL, in order."""
    settings = role_settings(site.data, "operator")
    database = await Database.open(settings.database_url.get_secret_value(), max_size=1)
    try:
        decisions: list[Decision] = []
        while page := await read_after(database, "w", wedding, len(decisions), limit_decisions=_PAGE):
            decisions += page
        return decisions
    finally:
        await database.close()
