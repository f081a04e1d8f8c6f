"""Who writes what from version 3 of the rules on: by role, channel, action and field, and what is one's own (D4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract.channels import may_read
from actors.contract.decisions import Decision
from actors.contract.write_rules import EVERY_RELATION, NO_RELATION, write_right
from actors.domain import views
from tests.support.folding import MEMBERS, Fold, wedding_with_members
from tests.support.random_ops import asked

OTHERS = [person for person, role in MEMBERS.items() if role not in {"couple", "planner"}]


@pytest.fixture
def fold() -> Fold:
    return wedding_with_members()


def code(decision: Decision) -> str:
    return "applied" if decision.refusal is None else decision.refusal.code


@pytest.mark.parametrize("person", ["bloom", "fatou", "noemi", "urs"])
@pytest.mark.parametrize("collection", ["photos", "messages"])
def test_d4_everybody_shows_things_and_changes_only_the_own(fold: Fold, person: str, collection: str) -> None:
    """Pictures and words to everyone are put there by all, changed and taken away by whoever put them there, and the core."""
    label = "text" if collection == "messages" else "title"
    fold.act("amara", collection, "insert", "hers", {label: "x", "audience": "everyone"})
    assert code(fold.act(person, collection, "insert", "own", {label: "x", "audience": "everyone"})) == "applied"
    for action, data in (("update", {label: "y"}), ("move", {"after": None}), ("delete", {})):
        assert code(fold.act(person, collection, action, "hers", dict(data))) == "not_allowed"
        assert code(fold.act(person, collection, action, "own", dict(data))) == "applied"


@pytest.mark.parametrize("person", ["fatou", "noemi", "urs"])
def test_d4_guests_alter_neither_the_programme_nor_what_others_wrote(fold: Fold, person: str) -> None:
    """The public timeline and other people's documents are read only to family, friends and guests."""
    fold.act("amara", "timeline", "insert", "dinner", {"title": "Dinner", "visibility": "everyone"})
    fold.act("amara", "documents", "insert", "speech", {"title": "Speech", "audience": "everyone"})
    assert code(fold.act(person, "timeline", "insert", "t", {"title": "x", "visibility": "everyone"})) == "not_allowed"
    assert code(fold.act(person, "timeline", "update", "dinner", {"title": "x"})) == "not_allowed"
    assert code(fold.act(person, "timeline", "delete", "dinner")) == "not_allowed"
    assert code(fold.act(person, "documents", "update", "speech", {"text": "x"})) == "not_allowed"


def test_d4_a_supplier_keeps_the_own_row_and_the_lists_of_the_team(fold: Fold) -> None:
    """Contact data of the own row; tasks and programme of the team; of a public item that names them, the times."""
    fold.act("amara", "vendors", "insert", "bloom", {"name": "Bloom", "overtimePerHour": 5})
    fold.act("amara", "vendors", "insert", "band", {"name": "Band"})
    assert code(fold.act("bloom", "vendors", "update", "bloom", {"phone": "1"})) == "applied"
    assert code(fold.act("bloom", "vendors", "update", "bloom", {"overtimePerHour": 50})) == "not_allowed"
    assert code(fold.act("bloom", "vendors", "update", "band", {"phone": "1"})) == "not_allowed"
    assert code(fold.act("bloom", "vendors", "delete", "bloom")) == "not_allowed"
    fold.act("amara", "tasks", "insert", "t1", {"title": "Candles"})
    assert code(fold.act("bloom", "tasks", "update", "t1", {"done": True})) == "applied"
    assert code(fold.act("bloom", "tasks", "delete", "t1")) == "not_allowed"
    for item, vendors in (("arch", ["bloom"]), ("dance", ["band"])):
        fold.act("amara", "timeline", "insert", item, {"title": "x", "visibility": "everyone", "vendors": vendors})
    start = {"start": "2027-06-19T12:00:00Z"}
    assert code(fold.act("bloom", "timeline", "update", "arch", start)) == "applied"
    assert code(fold.act("bloom", "timeline", "update", "arch", start | {"title": "x"})) == "not_allowed"
    assert code(fold.act("bloom", "timeline", "update", "arch", {"vendors": ["bloom", "band"]})) == "not_allowed"
    assert code(fold.act("bloom", "timeline", "update", "dance", start)) == "not_allowed"


def test_d4_family_keeps_the_guest_list_and_a_friend_ticks_off_the_own_task(fold: Fold) -> None:
    """Who is asked and who comes is the family's; a friend ends a task that names them, and changes nothing else in it."""
    assert code(fold.act("fatou", "guests", "insert", "g1", {"firstName": "Gus"})) == "applied"
    assert code(fold.act("fatou", "guests", "update", "g1", {"rsvp": "yes"})) == "applied"
    assert code(fold.act("fatou", "tables", "insert", "t1", {"name": "Head"})) == "applied"
    for task, assignee in (("speech", "noemi"), ("rings", "urs")):
        fold.act("amara", "tasks", "insert", task, {"title": "x", "audience": "everyone", "assignee": assignee})
    assert code(fold.act("noemi", "tasks", "update", "speech", {"done": True})) == "applied"
    assert code(fold.act("noemi", "tasks", "update", "speech", {"title": "y"})) == "not_allowed"
    assert code(fold.act("noemi", "tasks", "update", "rings", {"done": True})) == "not_allowed"


def test_d4_who_moves_an_item_to_another_audience_needs_both_ends(fold: Fold) -> None:
    """It leaves one channel and enters the other: nobody comes to own what others put there."""
    fold.act("amara", "documents", "insert", "plan", {"title": "Plan"})
    for audience in ("everyone", "private-bloom"):
        assert code(fold.act("bloom", "documents", "update", "plan", {"audience": audience})) == "not_allowed"
    assert code(fold.act("bloom", "documents", "update", "plan", {"text": "x"})) == "applied"
    fold.act("urs", "photos", "insert", "cake", {"title": "Cake", "audience": "everyone"})
    assert code(fold.act("urs", "photos", "update", "cake", {"audience": "private-urs"})) == "applied"
    assert code(fold.act("urs", "photos", "update", "cake", {"audience": "everyone"})) == "applied"
    assert code(fold.act("urs", "photos", "update", "cake", {"audience": "team"})) == "not_allowed"


def test_m4_the_couple_alone_decides_who_the_couple_is(fold: Fold) -> None:
    """A planner neither removes nor demotes one of the couple, nor becomes one, undo included; but adds one, and renames all."""
    assert code(fold.act("petra", "people", "delete", "amara")) == "not_allowed"
    assert code(fold.act("petra", "people", "update", "amara", {"role": "guest"})) == "not_allowed"
    assert code(fold.act("petra", "people", "update", "petra", {"role": "couple"})) == "not_allowed"
    assert code(fold.act("petra", "people", "update", "amara", {"name": "Amara B."})) == "applied"
    assert code(fold.act("petra", "people", "insert", "zoe", {"name": "Zoe", "role": "couple"})) == "applied"
    assert code(fold.act("petra", "people", "delete", "zoe")) == "not_allowed"
    assert code(fold.act("amara", "people", "delete", "zoe")) == "applied"
    assert code(fold.act("amara", "people", "update", "petra", {"role": "couple"})) == "applied"


def test_m4_a_wedding_without_a_couple_is_the_planners(fold: Fold) -> None:
    """Whoever set the wedding up as its planner may turn out to be one of the couple."""
    for person, role in MEMBERS.items():
        if role == "couple":
            fold.act("operator", "people", "delete", person)
    assert code(fold.act("petra", "people", "update", "petra", {"role": "couple"})) == "applied"


def test_d4_an_inbox_can_be_locked_to_who_misuses_it(fold: Fold) -> None:
    """Everybody may put something into any inbox, until the wedding takes that away."""
    letter = {"person": "amara", "text": "Psst"}
    assert code(fold.act("urs", "inbox", "insert", "m1", letter)) == "applied"
    fold.act("amara", "permissions", "insert", "urs", {"locked": ["inbox:insert"]})
    assert code(fold.act("urs", "inbox", "insert", "m2", letter)) == "not_allowed"
    assert code(fold.act("noemi", "inbox", "insert", "m2", letter)) == "applied"


def test_d4_an_edit_of_what_was_deleted_needs_the_right_to_have_written_it(fold: Fold) -> None:
    """What comes too late for an item is kept in a record of its channel, but only from those who might have changed the item."""
    fold.act("amara", "timeline", "insert", "dinner", {"title": "Dinner", "visibility": "everyone"})
    fold.act("amara", "timeline", "delete", "dinner")
    late = fold.act("urs", "timeline", "update", "dinner", {"title": "Free beer"}, base={"timeline.everyone": 1})
    assert (code(late), late.parts) == ("not_allowed", ())
    assert (
        code(fold.act("petra", "timeline", "update", "dinner", {"title": "Supper"}, base={"timeline.everyone": 1})) == "applied"
    )


def test_the_last_rule_that_matches_decides() -> None:
    """Field by field; a rule without a field speaks of all of them, one with a relation only of such items."""
    rules = ("tasks", "-tasks:update", "tasks:update:done", "-tasks.team:update:done", "tasks.team@own")
    everyone = write_right(rules, "tasks", "tasks.everyone", "update", NO_RELATION)
    assert (everyone.allows(["done"]), everyone.allows(["done", "title"]), everyone.allows([])) == (True, False, False)
    assert not write_right(rules, "tasks", "tasks.team", "update", NO_RELATION).allows(["done"])
    assert write_right(rules, "tasks", "tasks.team", "update", EVERY_RELATION).allows(["done", "title"])
    assert write_right(rules, "tasks", "tasks.team", "delete", NO_RELATION).allows([])
    assert not write_right(rules, "guests", "guests.family", "delete", EVERY_RELATION).allows([])


# --- before version 3


_NEW: list[tuple[str, str, str, str, dict[str, Any], str]] = [
    ("urs", "timeline", "insert", "t", {"title": "x", "visibility": "everyone"}, "applied"),
    ("noemi", "documents", "update", "speech", {"text": "x"}, "applied"),
    ("bloom", "vendors", "insert", "band", {"name": "Band"}, "applied"),
    ("bloom", "tasks", "insert", "t", {"title": "x", "audience": "everyone"}, "bad_value"),
    ("amara", "timeline", "insert", "t", {"title": "x", "visibility": "surprise-petra"}, "bad_value"),
    ("urs", "documents", "insert", "d", {"title": "x", "audience": "private-urs"}, "bad_value"),
    ("amara", "permissions", "insert", "urs", {"read": ["budget"]}, "bad_value"),
    ("amara", "budget", "insert", "b", {"item": "x", "audience": "surprise-petra"}, "bad_value"),
]


@pytest.mark.parametrize("rules", [1, 2])
@pytest.mark.parametrize(("person", "collection", "action", "identifier", "data", "outcome"), _NEW)
def test_d1_earlier_versions_decide_as_they_did(
    rules: int, person: str, collection: str, action: str, identifier: str, data: dict[str, Any], outcome: str
) -> None:
    """Roles alone decided, and what is new was no value: logs of then are decided so again."""
    fold = wedding_with_members(rules)
    fold.act("amara", "documents", "insert", "speech", {"title": "Speech", "audience": "everyone"})
    assert code(fold.act(person, collection, action, identifier, dict(data))) == outcome


# --- nobody raises themselves


def rights_in(fold: Fold) -> Any:
    return views.members(fold.state)


def undeletable(fold: Fold, person: str) -> set[tuple[str, str]]:
    """The items that somebody may not take away though they are there and read."""
    member = views.members(fold.state)[person]
    return {
        (collection, identifier)
        for collection, items in fold.state.items.items()
        for identifier, item in items.items()
        if item.inserted.principal != person
        and not write_right(member.rules, collection, item.channel, "delete", NO_RELATION).allows(())
    }


@given(st.lists(st.tuples(st.sampled_from(OTHERS), asked()), min_size=1, max_size=25), st.booleans())
def test_m3_nobody_outside_the_core_raises_rights(
    ops: list[tuple[str, tuple[str, str, str, dict[str, Any]]]], is_adjusted: bool
) -> None:
    """Whatever they ask, everybody's rights stay, and what was not theirs to take away does not become theirs."""
    fold = wedding_with_members()
    for collection in ("timeline", "tasks", "documents", "photos"):
        fold.act(
            "amara", collection, "insert", "a", {"title": "x"} | ({} if collection == "timeline" else {"audience": "everyone"})
        )
    if is_adjusted:
        fold.act(
            "amara",
            "permissions",
            "insert",
            "bloom",
            {"read": ["budget"], "write": ["guests", "budget:update"], "hidden": ["tasks"]},
        )
    before = rights_in(fold)
    foreign = {person: undeletable(fold, person) for person in OTHERS}
    for person, (collection, action, identifier, data) in ops:
        fold.act(person, collection, action, identifier, data)
    assert rights_in(fold) == before
    for person in OTHERS:
        items = fold.state.items
        left = {(collection, each) for collection, each in foreign[person] if each in items.get(collection, {})}
        retaken = {(collection, each) for collection, each in left if items[collection][each].inserted.principal == person}
        assert not retaken


@given(st.lists(st.tuples(st.sampled_from(list(MEMBERS)), asked()), min_size=1, max_size=25))
def test_inv5_nobody_writes_where_they_do_not_read(ops: list[tuple[str, tuple[str, str, str, dict[str, Any]]]]) -> None:
    """Whatever is asked, by the couple too: what follows from it lies in channels of its author, or in somebody's inbox."""
    fold = wedding_with_members()
    fold.act("petra", "tasks", "insert", "a", {"title": "Fireworks", "audience": "surprise-amara"})
    fold.act("noemi", "documents", "insert", "a", {"title": "Speech", "audience": "private-noemi"})
    for person, (collection, action, identifier, data) in ops:
        member = views.members(fold.state).get(person)
        rights = () if member is None else member.rights
        for part in fold.act(person, collection, action, identifier, data).parts:
            assert may_read(rights, part.channel) or part.channel.startswith("inbox.")
