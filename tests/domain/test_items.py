"""insert, update, delete, move: what they make of an item, its channel, its order, and what they tell about other writers."""

from typing import Any

import pytest

from actors.contract.changes import Change
from actors.contract.decisions import Decision
from actors.domain import views
from tests.support.folding import Fold, wedding_with_members


@pytest.fixture
def fold() -> Fold:
    return wedding_with_members()


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def titles_in_order(fold: Fold, collection: str = "tasks") -> list[str]:
    """Ids as readers sort them."""
    items = fold.state.items[collection]
    return sorted(items, key=lambda identifier: (items[identifier].fields["order"], identifier))


def test_insert_goes_to_the_end(fold: Fold) -> None:
    """Without an order of its own an item comes after all others of its collection."""
    for name in ("one", "two", "three"):
        fold.act("amara", "tasks", "insert", name, {"title": name})
    assert titles_in_order(fold) == ["one", "two", "three"]


def test_insert_may_name_its_place(fold: Fold) -> None:
    """An order key in the data is kept, and the end is after it."""
    fold.act("amara", "tasks", "insert", "late", {"title": "late", "order": "b00"})
    fold.act("amara", "tasks", "insert", "last", {"title": "last"})
    assert fold.item("tasks", "late")["order"] == "b00"
    assert titles_in_order(fold) == ["late", "last"]


@pytest.mark.parametrize("order", ["a", "b0", "a00", "A00000000000000000000000000"])
def test_an_order_key_nobody_could_sort_beside_is_refused(fold: Fold, order: str) -> None:
    """Only keys are taken between which new ones can be made."""
    assert code(fold.act("amara", "tasks", "insert", "t", {"title": "t", "order": order})) == "bad_value"


def test_insert_of_an_id_in_use_exists(fold: Fold) -> None:
    """An id is used once per collection."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    assert code(fold.act("petra", "tasks", "insert", "rings", {"title": "Rings"})) == "exists"


def test_a_deleted_id_may_be_used_again(fold: Fold) -> None:
    """Delete takes the whole item away, and nothing of it comes back with a new one."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings", "done": True})
    fold.act("amara", "tasks", "delete", "rings")
    assert "tasks" not in fold.state.items
    fold.act("amara", "tasks", "insert", "rings", {"title": "New rings"})
    assert fold.item("tasks", "rings") == {"title": "New rings", "order": "a0"}


def test_update_sets_and_clears_the_named_fields(fold: Fold) -> None:
    """Fields that are not named stay, null removes one."""
    fold.act("amara", "vendors", "insert", "bloom", {"name": "Bloom", "email": "a@b.example", "phone": "1"})
    decision = fold.act("amara", "vendors", "update", "bloom", {"name": "Bloom & Moss", "phone": None})
    assert decision.parts[0].changes == (Change("vendors", "bloom", set={"name": "Bloom & Moss", "phone": None}),)
    assert fold.item("vendors", "bloom") == {"name": "Bloom & Moss", "email": "a@b.example", "order": "a0"}


def test_equal_values_are_an_event_too(fold: Fold) -> None:
    """Saying again what is so already is applied, and everybody sees that it was said."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    before = views.channel_heads(fold.state)["tasks.team"]
    decision = fold.act("amara", "tasks", "update", "rings", {"title": "Rings"})
    sequence, digest = views.channel_heads(fold.state)["tasks.team"]
    assert (decision.refusal, sequence, digest) == (None, before[0] + 1, before[1])


@pytest.mark.parametrize(
    ("collection", "fields", "values", "old", "new"),
    [
        ("timeline", {"title": "x", "visibility": "core"}, {"visibility": "everyone"}, "timeline.core", "timeline.everyone"),
        ("timeline", {"title": "x", "visibility": "core"}, {"visibility": None}, "timeline.core", "timeline.team"),
        ("budget", {"item": "x"}, {"payer": "fatou"}, "budget.core", "budget.payer-fatou"),
        ("budget", {"item": "x", "payer": "fatou"}, {"payer": "couple"}, "budget.payer-fatou", "budget.core"),
        ("documents", {"title": "x"}, {"audience": "family"}, "documents.team", "documents.family"),
    ],
)
def test_d4_another_audience_moves_the_item_whole(
    fold: Fold, collection: str, fields: dict[str, Any], values: dict[str, Any], old: str, new: str
) -> None:
    """An item that changes its audience leaves one channel and arrives whole in the other, in one decision."""
    fold.act("amara", collection, "insert", "it", fields)
    decision = fold.act("amara", collection, "update", "it", values)
    leave, arrive = decision.parts
    assert (leave.channel, leave.changes) == (old, (Change(collection, "it", remove=True),))
    assert (arrive.channel, arrive.changes) == (new, (Change(collection, "it", insert=fold.item(collection, "it")),))
    assert None not in fold.item(collection, "it").values()
    assert views.channel_items(fold.state, old) == {}


def test_move_puts_an_item_between_its_neighbours(fold: Fold) -> None:
    """`after` names the item before, null the front."""
    for name in ("one", "two", "three", "four"):
        fold.act("amara", "tasks", "insert", name, {"title": name})
    fold.act("amara", "tasks", "move", "four", {"after": "one"})
    assert titles_in_order(fold) == ["one", "four", "two", "three"]
    fold.act("amara", "tasks", "move", "three", {"after": None})
    assert titles_in_order(fold) == ["three", "one", "four", "two"]
    fold.act("amara", "tasks", "move", "three", {"after": "two"})
    assert titles_in_order(fold) == ["one", "four", "two", "three"]


def test_move_after_what_is_not_there_is_not_found(fold: Fold) -> None:
    """The neighbour must be an item that the author may read, like the target."""
    fold.act("bloom", "timeline", "insert", "arch", {"title": "Arch"})
    fold.act("amara", "timeline", "insert", "secret", {"title": "Secret", "visibility": "core"})
    assert code(fold.act("bloom", "timeline", "move", "arch", {"after": "nothing"})) == "not_found"
    assert code(fold.act("bloom", "timeline", "move", "arch", {"after": "secret"})) == "not_found"
    assert code(fold.act("amara", "timeline", "move", "arch", {"after": "secret"})) is None


def test_inv5_order_keys_tell_nothing_of_hidden_items(fold: Fold) -> None:
    """The key that an author gets depends only on items that the author may read."""
    for number in range(5):
        fold.act("amara", "timeline", "insert", f"secret-{number}", {"title": "Secret", "visibility": "core"})
    fold.act("bloom", "timeline", "insert", "arch", {"title": "Arch"})
    assert fold.item("timeline", "arch")["order"] == "a0"


def test_the_end_comes_back_when_the_last_item_goes(fold: Fold) -> None:
    """After the last item was deleted or moved away, the next one follows those that are left."""
    for name in ("one", "two", "three"):
        fold.act("amara", "tasks", "insert", name, {"title": name})
    last = fold.item("tasks", "three")["order"]
    fold.act("amara", "tasks", "delete", "three")
    fold.act("amara", "tasks", "insert", "new", {"title": "new"})
    assert fold.item("tasks", "new")["order"] == last
    fold.act("amara", "tasks", "move", "new", {"after": None})
    fold.act("amara", "tasks", "insert", "newer", {"title": "newer"})
    assert fold.item("tasks", "newer")["order"] == last


def test_inv7_a_gap_without_room_is_refused_before_version_3() -> None:
    """Order keys stay bounded: a place that was split too often refuses, and says what to do; version 3 makes room there."""
    fold = wedding_with_members(rules=2)
    fold.act("amara", "tasks", "insert", "a", {"title": "a", "order": "a0"})
    fold.act("amara", "tasks", "insert", "b", {"title": "b", "order": "a0" + "0" * 197 + "1"})
    fold.act("amara", "tasks", "insert", "c", {"title": "c"})
    assert code(fold.act("amara", "tasks", "move", "c", {"after": "a"})) == "bad_value"
    fold.rules = 3
    assert code(fold.act("amara", "tasks", "move", "c", {"after": "a"})) is None
    assert titles_in_order(fold) == ["a", "c", "b"]


def test_causality_names_the_ops_that_the_author_had_not_seen(fold: Fold) -> None:
    """A write of a field that somebody else wrote since the author's base is concurrent with that op."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings", "done": False})
    theirs = fold.act("petra", "tasks", "update", "rings", {"title": "The rings"}, base={"tasks.team": 1})
    assert theirs.parts[0].relation == "after"
    ours = fold.act("amara", "tasks", "update", "rings", {"title": "Our rings"}, base={"tasks.team": 1})
    assert (ours.parts[0].relation, ours.parts[0].concurrent_with) == ("concurrent", (theirs.op,))
    assert fold.item("tasks", "rings")["title"] == "Our rings"


def test_causality_looks_at_the_fields_that_are_written(fold: Fold) -> None:
    """Two people who write different fields of one item are not in conflict."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings", "done": False})
    fold.act("petra", "tasks", "update", "rings", {"title": "The rings"}, base={"tasks.team": 1})
    ours = fold.act("amara", "tasks", "update", "rings", {"done": True}, base={"tasks.team": 1})
    assert ours.parts[0].relation == "after"


def test_causality_forgives_ones_own_writes(fold: Fold) -> None:
    """A client need not have seen the event of its own earlier op; another client of the same person must."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    fold.act("amara", "tasks", "update", "rings", {"title": "A"}, base={"tasks.team": 1})
    same = fold.act("amara", "tasks", "update", "rings", {"title": "B"}, base={"tasks.team": 1})
    other = fold.act("amara", "tasks", "update", "rings", {"title": "C"}, base={"tasks.team": 1}, client="20270619-phone")
    assert (same.parts[0].relation, other.parts[0].relation) == ("after", "concurrent")


def test_causality_is_unknown_without_a_claim(fold: Fold) -> None:
    """A base that does not name the channel claims nothing."""
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    assert fold.act("amara", "tasks", "update", "rings", {"title": "x"}, base={"tables.team": 0}).parts[0].relation == "unknown"


def test_causality_takes_no_claim_about_an_unreadable_channel(fold: Fold) -> None:
    """Who cannot read an inbox can have seen nothing of it, whatever the base says."""
    decision = fold.act("urs", "inbox", "insert", "m1", {"person": "noemi", "text": "Psst"}, base={"inbox.noemi": 0})
    assert decision.parts[0].relation == "unknown"


def test_causality_of_a_delete_covers_every_field(fold: Fold) -> None:
    """Who deletes an item that somebody changed meanwhile is told so; at most the eight newest ops are named."""
    fold.act("amara", "vendors", "insert", "bloom", {"name": "Bloom"})
    seen = {"vendors.team": 1}
    fields = ("name", "category", "email", "phone", "currency", "backupContact", "notes", "overtimePerHour", "contractStart")
    values = ("x", "x", "x", "x", "CHF", "x", "x", 1, "2027-06-19T06:00:00Z")
    writes = [fold.act("petra", "vendors", "update", "bloom", {f: v}) for f, v in zip(fields, values, strict=True)]
    decision = fold.act("amara", "vendors", "delete", "bloom", base=seen)
    assert decision.parts[0].concurrent_with == tuple(write.op for write in writes[-8:])


def test_the_clock_of_a_channel_names_its_latest_writers(fold: Fold) -> None:
    """A part's clock has the newest number of each of the last 16 clients that wrote in that channel, the author's last."""
    clients = [f"20270619-tab{number:02d}" for number in range(20)]
    parts = [
        fold.act("amara", "tasks", "insert", f"t{client[-2:]}", {"title": "x"}, client=client).parts[0] for client in clients
    ]
    assert list(parts[-1].clock) == [f"amara/20270619-tab{number:02d}" for number in range(4, 20)]
    again = fold.act("amara", "tasks", "update", "t00", {"title": "y"}, client="20270619-tab04").parts[0]
    assert list(again.clock.items())[-1] == ("amara/20270619-tab04", 2)
    assert len(again.clock) == 16


def test_members_change_the_permissions_revision(fold: Fold) -> None:
    """Only a change of people or permissions moves `acl`; other ops leave it."""
    acl = fold.state.acl
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    assert fold.state.acl == acl
    decision = fold.act("amara", "people", "update", "bloom", {"role": "guest"})
    assert (decision.permissions_changed, fold.state.acl) == (True, decision.rev)
    assert views.members(fold.state)["bloom"].role == "guest"
