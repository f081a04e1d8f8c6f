"""Rights as data of the wedding, from version 3 of the rules on: surprises, private notes, contributions, `permissions`."""

from typing import Any

import msgspec
import pytest

from actors.contract.channels import may_read
from actors.contract.decisions import Decision, StartTimer
from actors.contract.ids import TIMER_PRINCIPAL
from actors.contract.ops import LogEntry
from actors.domain import views
from tests.architecture.permission_matrix import EXAMPLES
from tests.support.folding import MEMBERS, Fold, wedding_with_members

SURPRISE = {"title": "Fireworks", "visibility": "surprise-amara"}


@pytest.fixture
def fold() -> Fold:
    """Of the couple: amara and ben; petra plans, bloom sells flowers, fatou is family, noemi a friend, urs a guest."""
    fold = wedding_with_members()
    assert code(fold.act("amara", "people", "insert", "ben", {"name": "Ben", "role": "couple"})) == "applied"
    return fold


def code(decision: Decision) -> str:
    return "applied" if decision.refusal is None else decision.refusal.code


def readers(fold: Fold, channel: str) -> set[str]:
    return {person for person, member in views.members(fold.state).items() if may_read(member.rights, channel)}


def allow(fold: Fold, author: str, identifier: str, **data: Any) -> str:
    """Let somebody say something of a role or a person; returns the outcome."""
    is_there = identifier in fold.state.items.get("permissions", {})
    return code(fold.act(author, "permissions", "update" if is_there else "insert", identifier, data))


# --- surprises


def test_d4_a_surprise_is_seen_by_the_team_but_for_its_person(fold: Fold) -> None:
    """One half of the couple sees nothing of it, the other half, the planner and the suppliers do; guests never."""
    assert code(fold.act("ben", "timeline", "insert", "fireworks", SURPRISE)) == "applied"
    assert readers(fold, "timeline.surprise-amara") == {"ben", "petra", "bloom"}
    assert readers(fold, "budget.surprise-amara") == {"ben", "petra"}


@pytest.mark.parametrize(
    ("action", "data"),
    [("update", {"title": "x"}), ("update", {"visibility": "core"}), ("move", {"after": None}), ("delete", {})],
)
def test_m3_whoever_it_is_kept_from_does_not_find_a_surprise(fold: Fold, action: str, data: dict[str, Any]) -> None:
    """To its person it is like an item that is not there, also when they would give it another audience."""
    fold.act("ben", "timeline", "insert", "fireworks", SURPRISE)
    hidden = fold.act("amara", "timeline", action, "fireworks", dict(data))
    missing = fold.act("amara", "timeline", action, "nothing", dict(data))
    assert code(hidden) == "not_found"
    assert hidden.refusal == missing.refusal


def test_m3_nothing_opens_a_surprise_to_its_person(fold: Fold) -> None:
    """Neither another role, nor permissions given by oneself or by others, nor leaving and coming back."""
    fold.act("ben", "timeline", "insert", "fireworks", SURPRISE)
    for author in ("amara", "ben", "operator"):
        for identifier in ("amara", "role-couple", "role-planner"):
            allow(fold, author, identifier, read=["timeline.surprise", "timeline"])
            assert "amara" not in readers(fold, "timeline.surprise-amara")
    for role in ("planner", "vendor", "couple"):
        fold.act("amara", "people", "update", "amara", {"role": role})
        assert fold.item("people", "amara")["role"] == role
        assert "amara" not in readers(fold, "timeline.surprise-amara")
        fold.act("operator", "people", "update", "amara", {"role": "couple"})
    fold.act("amara", "people", "delete", "amara")
    fold.act("ben", "people", "insert", "amara", {"name": "Amara", "role": "couple"})
    assert "amara" not in readers(fold, "timeline.surprise-amara")


def test_d4_surprises_are_opened_to_others_as_a_class(fold: Fold) -> None:
    """A best man is let in by a word that names nobody, so that who reads permissions learns of no surprise."""
    assert allow(fold, "ben", "noemi", read=["timeline.surprise"]) == "applied"
    assert "noemi" in readers(fold, "timeline.surprise-amara")
    assert "noemi" not in readers(fold, "timeline.surprise-noemi")
    assert allow(fold, "ben", "noemi", read=["timeline.surprise-amara"]) == "bad_value"


def test_d4_a_surprise_for_nobody_is_a_slip_of_the_pen(fold: Fold) -> None:
    """A person who is no member cannot be kept out, so the item would be shown to the one who is meant."""
    assert code(fold.act("ben", "timeline", "insert", "f", SURPRISE | {"visibility": "surprise-amarra"})) == "bad_value"
    fold.act("ben", "timeline", "insert", "g", {"title": "x", "visibility": "core"})
    assert code(fold.act("ben", "timeline", "update", "g", {"visibility": "surprise-amarra"})) == "bad_value"


def test_d4_nobody_surprises_themselves(fold: Fold) -> None:
    """One cannot put into a channel what one does not read, so nobody hides an item from their own eyes."""
    assert code(fold.act("amara", "timeline", "insert", "f", SURPRISE)) == "not_allowed"


def test_b4_a_reminder_of_a_surprise_reaches_nobody_from_whom_it_is_kept(fold: Fold) -> None:
    """A task without an assignee, or with one who may not see it, reminds only of planner and couple who may."""
    for task, assignee in (("t1", None), ("t2", "amara")):
        data = {"title": "Fireworks", "audience": "surprise-amara", "remindAt": "2027-06-19T08:00:01Z"}
        [timer] = fold.act("ben", "tasks", "insert", task, data | ({"assignee": assignee} if assignee else {})).effects
        assert isinstance(timer, StartTimer)
        fold.take(TIMER_PRINCIPAL, msgspec.json.decode(timer.body, type=LogEntry))
    reminded = {item.fields["person"] for item in fold.state.items["inbox"].values()}
    assert reminded == {"petra", "ben"}


# --- private notes, inboxes, contributions


@pytest.mark.parametrize("person", MEMBERS)
@pytest.mark.parametrize("collection", ["documents", "photos", "tasks", "messages", "timeline"])
def test_d4_private_notes_are_their_persons_alone(fold: Fold, person: str, collection: str) -> None:
    """Whatever the role, one may keep them, and nobody else finds them, not even couple, planner or operator."""
    audience = {"visibility" if collection == "timeline" else "audience": f"private-{person}"}
    label = "text" if collection == "messages" else "title"
    assert code(fold.act(person, collection, "insert", "note", {label: "vows"} | audience)) == "applied"
    assert readers(fold, f"{collection}.private-{person}") == {person}
    for other in (*MEMBERS.keys() - {person}, "ben", "operator"):
        assert code(fold.act(other, collection, "update", "note", {label: "x"})) == "not_found"
        assert code(fold.act(other, collection, "insert", "mine", {label: "x"} | audience)) == "not_allowed"
    assert code(fold.act(person, collection, "update", "note", {label: "better vows"})) == "applied"
    assert code(fold.act(person, collection, "delete", "note")) == "applied"


@pytest.mark.parametrize("place", ["inbox", "inbox.urs", "documents.private", "documents.private-urs", "permissions"])
def test_d4_inboxes_private_notes_and_permissions_are_given_to_nobody(fold: Fold, place: str) -> None:
    """No word of `permissions` means them; the operator cannot say it either."""
    for author in ("amara", "operator"):
        assert allow(fold, author, "fatou", read=[place]) == "bad_value"
        assert allow(fold, author, "fatou", hidden=[place]) == "bad_value"


def test_d4_hiding_a_section_leaves_the_own_notes(fold: Fold) -> None:
    """What is one's own stays, whatever is hidden and locked."""
    fold.act("bloom", "documents", "insert", "note", {"title": "x", "audience": "private-bloom"})
    assert allow(fold, "amara", "bloom", hidden=["documents"], locked=["*"]) == "applied"
    assert code(fold.act("bloom", "documents", "update", "note", {"title": "y"})) == "applied"
    assert readers(fold, "documents.private-bloom") == {"bloom"}
    assert "bloom" not in readers(fold, "documents.team")


def test_d4_a_contribution_follows_its_payer(fold: Fold) -> None:
    """Another payer takes the row away from the one and gives it whole to the other; of the rest they see nothing."""
    fold.act("amara", "budget", "insert", "b1", {"item": "Flowers", "estimate": 5, "payer": "fatou"})
    assert readers(fold, "budget.payer-fatou") == {"amara", "ben", "petra", "fatou"}
    moved = fold.act("amara", "budget", "update", "b1", {"payer": "bloom"})
    assert (moved.parts[0].channel, moved.parts[0].changes[0].remove) == ("budget.payer-fatou", True)
    assert moved.parts[1].channel == "budget.payer-bloom"
    assert moved.parts[1].changes[0].insert == fold.item("budget", "b1")
    assert readers(fold, "budget.payer-bloom") == {"amara", "ben", "petra", "bloom"}
    assert readers(fold, "budget.core") == {"amara", "ben", "petra"}
    assert allow(fold, "amara", "fatou", read=["budget.payer"]) == "applied"
    assert "fatou" in readers(fold, "budget.payer-bloom")
    assert "fatou" not in readers(fold, "budget.core")


# --- what a wedding says of roles and persons


def test_d4_a_persons_word_comes_after_the_roles(fold: Fold) -> None:
    """The role gives, the wedding takes from the role, and gives to one; `hidden` comes after `read`, and deleting undoes."""
    assert allow(fold, "amara", "role-vendor", hidden=["tasks"], locked=["timeline"]) == "applied"
    fold.act("amara", "people", "insert", "tom", {"name": "Tom", "role": "vendor"})
    assert allow(fold, "amara", "tom", read=["tasks.team"], write=["timeline.team:insert"]) == "applied"
    assert readers(fold, "tasks.team") == {"amara", "ben", "petra", "tom"}
    assert code(fold.act("bloom", "timeline", "insert", "t1", {"title": "x"})) == "not_allowed"
    assert code(fold.act("tom", "timeline", "insert", "t1", {"title": "x"})) == "applied"
    assert code(fold.act("tom", "timeline", "update", "t1", {"title": "y"})) == "not_allowed"
    assert allow(fold, "amara", "tom", hidden=["tasks.team"]) == "applied"
    assert "tom" not in readers(fold, "tasks.team")
    deleted = fold.act("amara", "permissions", "delete", "role-vendor")
    assert deleted.permissions_changed
    assert "bloom" in readers(fold, "tasks.team")


def test_d4_the_examples_of_the_page_are_applied(fold: Fold) -> None:
    """docs/permissions.md shows what the rules take."""
    for author, identifier, data, purpose in EXAMPLES:
        assert allow(fold, author, identifier, **data) == "applied", purpose
    assert readers(fold, "budget.core") == {"amara", "ben", "fatou"}
    fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    assert code(fold.act("noemi", "tasks", "update", "rings", {"done": True})) == "applied"
    assert code(fold.act("noemi", "tasks", "update", "rings", {"title": "x"})) == "not_allowed"
    assert code(fold.act("fatou", "budget", "insert", "b1", {"item": "x"})) == "not_allowed"
    photo = {"title": "x", "audience": "everyone"}
    assert code(fold.act("urs", "photos", "insert", "p1", photo)) == "applied"
    fold.act("amara", "people", "insert", "gia", {"name": "Gia", "role": "guest"})
    assert code(fold.act("gia", "photos", "insert", "p2", photo)) == "not_allowed"
    fold.act("amara", "timeline", "insert", "arch", {"title": "Arch"})
    assert code(fold.act("bloom", "timeline", "update", "arch", {"durationMin": 5})) == "applied"
    assert code(fold.act("bloom", "timeline", "update", "arch", {"start": "2027-06-19T12:00:00Z"})) == "not_allowed"
    boats = {"title": "Boats", "audience": "surprise-amara"}
    assert code(fold.act("noemi", "tasks", "insert", "boats", boats)) == "applied"
    assert code(fold.act("noemi", "tasks", "insert", "ship", boats | {"audience": "surprise-noemi"})) == "not_allowed"
    assert code(fold.act("noemi", "tasks", "update", "boats", {"done": True})) == "applied"
    fold.act("fatou", "guests", "insert", "g1", {"firstName": "Gus"})
    assert code(fold.act("fatou", "guests", "delete", "g1")) == "not_allowed"


_MEANINGLESS: dict[str, tuple[str, dict[str, Any]]] = {
    "a section": ("noemi", {"read": ["kitchen"]}),
    "an audience": ("noemi", {"hidden": ["tasks.kitchen"]}),
    "an audience of another section": ("noemi", {"read": ["guests.team"]}),
    "a collection": ("noemi", {"write": ["kitchen"]}),
    "an action": ("noemi", {"locked": ["tasks:eat"]}),
    "a field": ("noemi", {"write": ["tasks:update:colour"]}),
    "a field of every collection": ("noemi", {"locked": ["*:update:title"]}),
    "an audience in a rule": ("noemi", {"write": ["tasks.kitchen:update"]}),
    "an audience of one person in a rule": ("noemi", {"write": ["tasks.surprise-amara"]}),
    "an audience that cannot be given in a rule": ("noemi", {"write": ["tasks.private"]}),
    "a relation": ("noemi", {"write": ["tasks@friends"]}),
    "a lock of own items": ("noemi", {"locked": ["tasks@own"]}),
    "a leading minus": ("noemi", {"write": ["-tasks"]}),
    "another writing": ("noemi", {"write": ["tasks::"]}),
    "people for somebody else": ("noemi", {"write": ["people:insert"]}),
    "permissions for somebody else": ("noemi", {"write": ["permissions"]}),
    "everything for somebody else": ("noemi", {"write": ["*"]}),
    "a role": ("role-king", {"read": ["tasks"]}),
    "a role as integrator": ("role-vendor", {"integrator": True}),
    "a place that is no text": ("noemi", {"read": [5]}),
}


@pytest.mark.parametrize("words", _MEANINGLESS)
def test_d4_words_that_mean_nothing_are_refused_with_what_is_known(fold: Fold, words: str) -> None:
    """A misspelt right must not look as if it had been given or taken."""
    identifier, data = _MEANINGLESS[words]
    decision = fold.act("amara", "permissions", "insert", identifier, data)
    assert code(decision) == "bad_value"
    assert decision.refusal is not None
    assert decision.refusal.remedy


@pytest.mark.parametrize("person", ["bloom", "fatou", "noemi", "urs"])
def test_d4_only_the_core_says_who_may_what(fold: Fold, person: str) -> None:
    """Others neither see nor write permissions and people, whatever they were given."""
    assert allow(fold, "amara", person, read=["budget"], write=["budget"]) == "applied"
    assert code(fold.act(person, "permissions", "insert", "role-guest", {"read": ["budget"]})) == "not_allowed"
    assert code(fold.act(person, "permissions", "update", person, {"read": ["tasks"]})) == "not_found"
    assert code(fold.act(person, "people", "update", person, {"role": "planner"})) == "not_allowed"
    assert code(fold.act(person, "people", "insert", "zoe", {"name": "Zoe", "role": "guest"})) == "not_allowed"


def test_m2_nothing_is_taken_from_the_couple(fold: Fold) -> None:
    """Neither by the planner nor by the other half; and what stood there when somebody became couple is not heard."""
    for author in ("petra", "ben", "operator"):
        for data in ({"hidden": ["budget"]}, {"locked": ["tasks"]}):
            for identifier in ("amara", "role-couple"):
                assert allow(fold, author, identifier, **data) == "not_allowed"
    assert allow(fold, "amara", "bloom", hidden=["tasks"], locked=["*"]) == "applied"
    fold.act("amara", "people", "update", "bloom", {"role": "couple"})
    assert "bloom" in readers(fold, "tasks.team")
    assert code(fold.act("bloom", "tasks", "insert", "t1", {"title": "x"})) == "applied"


def test_m1_a_planner_who_may_do_nothing_else_still_manages(fold: Fold) -> None:
    """People, permissions and the wedding stay with the planner, named or not."""
    for data in ({"hidden": ["people"]}, {"hidden": ["wedding.everyone"]}, {"locked": ["permissions:update"]}):
        assert allow(fold, "amara", "petra", **data) == "bad_value"
    assert allow(fold, "amara", "petra", locked=["*"]) == "applied"
    assert code(fold.act("petra", "tasks", "insert", "t1", {"title": "x"})) == "not_allowed"
    assert code(fold.act("petra", "people", "insert", "zoe", {"name": "Zoe", "role": "guest"})) == "applied"
    assert allow(fold, "petra", "zoe", hidden=["photos"]) == "applied"


def test_m3_who_was_restricted_cannot_undo_it_by_any_way(fold: Fold) -> None:
    """Not by the own item, its deletion, the role's, a gift to somebody else, another role, or a new member."""
    assert allow(fold, "amara", "petra", hidden=["budget", "documents.family"], locked=["guests"]) == "applied"
    assert allow(fold, "petra", "petra", hidden=[]) == "not_allowed"
    assert allow(fold, "petra", "petra", hidden=None) == "not_allowed"
    assert allow(fold, "petra", "petra", read=["budget.core"]) == "not_allowed"
    assert allow(fold, "petra", "petra", locked=[]) == "not_allowed"
    assert allow(fold, "petra", "petra", write=["guests:update"]) == "not_allowed"
    assert code(fold.act("petra", "permissions", "delete", "petra")) == "not_allowed"
    assert allow(fold, "petra", "role-planner", read=["budget"]) == "not_allowed"
    assert allow(fold, "petra", "noemi", read=["budget.payer"]) == "not_allowed"
    assert code(fold.act("petra", "people", "update", "petra", {"role": "couple"})) == "not_allowed"
    assert code(fold.act("petra", "people", "insert", "zoe", {"name": "Zoe", "role": "planner"})) == "not_allowed"
    assert code(fold.act("petra", "people", "insert", "zoe", {"name": "Zoe", "role": "family"})) == "not_allowed"
    assert code(fold.act("petra", "people", "insert", "zoe", {"name": "Zoe", "role": "guest"})) == "applied"
    assert "petra" not in readers(fold, "budget.core")
    assert code(fold.act("petra", "guests", "insert", "g1", {"firstName": "x"})) == "not_allowed"
    assert allow(fold, "ben", "petra", hidden=None, locked=None) == "applied"
    assert "petra" in readers(fold, "budget.core")


def test_d4_a_person_cannot_be_named_like_a_role(fold: Fold) -> None:
    """`role-guest` speaks of a role, so nobody can have that id."""
    assert code(fold.act("amara", "people", "insert", "role-guest", {"name": "x", "role": "guest"})) == "bad_id"
