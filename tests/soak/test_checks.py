"""A checker that finds nothing proves nothing until it has found what was put there: one made-up history per offence."""

from msgspec.structs import replace

from bench.soak.checks import everything
from bench.soak.history import Entry, Heads, Kind, Stored
from bench.soak.stored import moved

WEDDING = "w1"
CHANNEL = "tasks.team"


def entry(time: float, client: str, kind: Kind, mark: str = "", op: str = "", sequence: int = 0) -> Entry:
    """A line; an answer is told to somebody who holds what it tells."""
    channel = CHANNEL if kind in ("sync", "event") else ""
    holds = {CHANNEL: sequence} if kind == "applied" else {}
    return Entry(time, WEDDING, client, kind, mark, op, channel=channel, sequence=sequence, holds=holds)


def stored(number: int, op: str, mark: str) -> Stored:
    return Stored(WEDDING, 100 + number, op, "amara", True, {CHANNEL: number}, {mark: (CHANNEL,)})


def heads(client: str, digest: str = "d2", sequence: int = 2) -> Heads:
    return Heads(WEDDING, client, {CHANNEL: (sequence, digest)})


HISTORY = [
    entry(0.0, "amara", "sync", sequence=0),
    entry(0.0, "bo", "sync", sequence=0),
    entry(1.0, "amara", "invoke", "m1"),
    entry(1.1, "amara", "saved", "m1", "c:1"),
    entry(1.2, "amara", "event", op="c:1", sequence=1),
    entry(1.2, "amara", "applied", "m1", "c:1", sequence=1),
    entry(1.3, "bo", "event", op="c:1", sequence=1),
    entry(2.0, "bo", "invoke", "m2"),
    entry(2.1, "bo", "saved", "m2", "d:1"),
    entry(2.2, "bo", "event", op="d:1", sequence=2),
    entry(2.2, "bo", "applied", "m2", "d:1", sequence=2),
    entry(2.3, "amara", "event", op="d:1", sequence=2),
]
STORED = [stored(1, "c:1", "m1"), stored(2, "d:1", "m2")]
ACTORS = [heads("the actor")]
CLIENTS = [heads("amara"), heads("bo")]


def kinds(history: list[Entry] = HISTORY, decisions: list[Stored] = STORED, clients: list[Heads] = CLIENTS) -> set[str]:
    """The first word of every offence."""
    return {offence.partition(":")[0] for offence in everything(history, decisions, ACTORS, clients)}


def test_a_clean_history_is_no_offence() -> None:
    """Nothing is reported where nothing is wrong."""
    assert kinds() == set()


def test_inv1_a_saved_op_that_is_not_stored_is_lost() -> None:
    """What was said to be on disk and is not there is named."""
    offences = everything(HISTORY, STORED[:1], ACTORS, CLIENTS)
    assert any(offence.startswith("lost:") and "d:1" in offence for offence in offences)


def test_inv1_a_queued_op_that_is_not_stored_is_lost() -> None:
    """An integrator's acknowledged op counts like a client's."""
    assert kinds([*HISTORY, entry(3.0, "florist", "queued", "m3", "m3")]) == {"lost"}


def test_inv1_an_applied_op_that_is_stored_as_refused_is_reported() -> None:
    """The answer is what is stored."""
    assert "lost" in kinds(decisions=[STORED[0], replace(STORED[1], applied=False)])


def test_inv1_a_refused_op_that_changed_the_wedding_is_reported() -> None:
    """Refused means that nothing of it is there."""
    assert kinds([*HISTORY, entry(3.0, "bo", "rejected", "m2", "d:2")]) == {"lost"}


def test_inv1_an_op_that_is_decided_twice_is_reported() -> None:
    """One decision for each op of an author."""
    again = replace(STORED[1], position=103, sequences={}, marks={})
    assert kinds(decisions=[*STORED, again]) == {"twice"}


def test_inv1_a_text_that_is_applied_under_two_numbers_is_reported() -> None:
    """An op that was sent again under another number and taken twice is found by what it wrote."""
    again = Stored(WEDDING, 103, "d:2", "amara", True, {CHANNEL: 3}, {"m2": (CHANNEL,)})
    assert kinds(decisions=[*STORED, again]) == {"twice"}


def test_inv1_an_op_that_waited_is_stored_twice_and_decided_once() -> None:
    """It is taken where it was saved and decided later; one that was only taken is not applied."""
    taken = replace(STORED[0], position=100, applied=False, sequences={}, marks={}, waits=True)
    assert kinds(decisions=[taken, *STORED]) == set()
    assert "order" not in kinds(decisions=[taken, STORED[1], replace(STORED[0], position=103)])
    assert "lost" in kinds(decisions=[taken, STORED[1]])
    assert "twice" in kinds(decisions=[taken, replace(taken, position=99), *STORED])


def test_d1_an_op_before_one_that_was_saved_earlier_is_reported() -> None:
    """The log keeps the order of real time."""
    swapped = [replace(STORED[0], position=105), STORED[1]]
    assert "order" in kinds(decisions=swapped)


def test_d1_ops_that_overlap_may_stand_either_way() -> None:
    """Who asks before the other is saved has no claim to an order."""
    overlapping = sorted(HISTORY, key=lambda each: (each.kind in ("saved", "applied"), each.time))
    swapped = [replace(STORED[0], position=105), STORED[1]]
    assert "order" not in kinds(overlapping, swapped)


def test_inv4_a_missing_event_is_a_gap() -> None:
    """Who gets 2 after 0 has missed 1."""
    without = [each for each in HISTORY if not (each.client == "bo" and each.kind == "event" and each.sequence == 1)]
    assert kinds(without) == {"gap"}


def test_inv4_a_repeated_event_is_reported() -> None:
    """The same event twice is as wrong as none."""
    assert kinds([*HISTORY, HISTORY[-1]]) == {"gap"}


def test_inv4_a_sync_that_goes_back_is_reported() -> None:
    """A channel never goes back within a generation."""
    assert kinds([*HISTORY, entry(3.0, "bo", "sync", sequence=1)]) == {"gap"}


def test_inv4_a_hole_in_the_stored_sequences_is_reported() -> None:
    """The store counts each channel without a hole."""
    assert "gap" in kinds(decisions=[STORED[0], replace(STORED[1], sequences={CHANNEL: 3})])


def test_inv2_an_event_that_differs_from_the_store_is_reported() -> None:
    """Under one sequence everybody sees the same op."""
    other = [*HISTORY[:-1], replace(HISTORY[-1], op="x:9")]
    assert kinds(other) == {"other"}


def test_inv3_an_applied_op_that_its_author_does_not_hold_is_reported() -> None:
    """Own writes are visible once applied."""
    blind = [replace(each, holds={CHANNEL: 1}) if each.kind == "applied" else each for each in HISTORY]
    assert kinds(blind) == {"unseen"}


def test_inv3_a_diverged_digest_is_reported() -> None:
    """A copy that stands where the actor does must hold the same."""
    assert kinds(clients=[heads("amara"), heads("bo", "other")]) == {"apart"}


def test_inv3_a_copy_that_stays_behind_is_reported() -> None:
    """Everybody catches up in the end."""
    assert kinds(clients=[heads("bo", sequence=1)]) == {"apart"}


def test_inv1_an_op_without_an_answer_is_reported() -> None:
    """After healing nothing stays open."""
    assert kinds([*HISTORY, entry(9.0, "bo", "unknown", "m9")]) == {"unanswered"}


def test_inv1_an_op_of_which_nothing_more_was_heard_is_reported() -> None:
    """Who still waits when the run ends has no answer either: an entrance that is dead for good is no silence."""
    assert kinds([*HISTORY, entry(9.0, "florist", "invoke", "m9")]) == {"unanswered"}


def test_inv5_an_event_for_somebody_without_the_right_is_reported() -> None:
    """Bytes of a channel go to those who may read it."""
    watching = Entry(9.0, WEDDING, "watcher eve", "event", op="c:1", channel=CHANNEL, sequence=1, person="eve")
    assert kinds([*HISTORY, watching]) == {"unreadable"}


def test_inv2_another_digest_after_a_start_is_reported() -> None:
    """Whoever folds comes to the same; later sequences are somebody's new op, earlier ones a loss."""
    before = [heads("the actor")]
    assert moved(before, [heads("the actor")], "a start") == []
    assert moved(before, [heads("the actor", "d3", 3)], "a start") == []
    assert len(moved(before, [heads("the actor", "other")], "a start")) == 1
    assert len(moved(before, [heads("the actor", sequence=1)], "a start")) == 1
    assert len(moved(before, [Heads(WEDDING, "the actor", {})], "a start")) == 1
