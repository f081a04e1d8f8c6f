"""Who may do what: membership, roles, and targets that one may not read."""

from typing import Any

import msgspec
import pytest

from actors.contract.channels import rights_of
from actors.contract.decisions import Decision
from actors.domain import views
from tests.support.folding import WEDDING, WEDDING_DATA, Fold, op_of, wedding_with_members


def code(decision: Decision) -> str:
    """The refusal's code, or `applied`."""
    return "applied" if decision.refusal is None else decision.refusal.code


@pytest.fixture
def fold() -> Fold:
    return wedding_with_members()


def test_creating_a_wedding_makes_its_author_the_first_member() -> None:
    """The author of a wedding becomes a member in the role that the op names, and the role is no field of the wedding."""
    fold = Fold()
    decision = fold.act("amara", "wedding", "insert", WEDDING, WEDDING_DATA | {"role": "couple"})
    assert code(decision) == "applied"
    assert [part.channel for part in decision.parts] == ["wedding.everyone", "people.everyone"]
    assert decision.permissions_changed
    assert fold.item("wedding", WEDDING) == WEDDING_DATA
    assert fold.item("people", "amara") == {"name": "amara", "role": "couple"}


@pytest.mark.parametrize("role", [None, "vendor", "family", "friend", "guest"])
def test_only_couple_and_planner_create_weddings(role: str | None) -> None:
    """Nobody creates a wedding in another role or in none, and a refused creation leaves no wedding."""
    fold = Fold()
    data = WEDDING_DATA if role is None else WEDDING_DATA | {"role": role}
    assert code(fold.act("amara", "wedding", "insert", WEDDING, data)) == "not_allowed"
    assert fold.state.items == {}


@pytest.mark.parametrize("service", ["operator", "import"])
def test_a_service_creates_a_wedding_without_members(service: str) -> None:
    """A wedding that a service creates has nobody in it until people are added."""
    fold = Fold()
    assert code(fold.act(service, "wedding", "insert", WEDDING, WEDDING_DATA)) == "applied"
    assert views.members(fold.state) == {}
    assert code(fold.act(service, "people", "insert", "amara", {"name": "Amara", "role": "couple"})) == "applied"


def test_a_reserved_name_creates_no_wedding() -> None:
    """`couple` stands for both partners and can be no person."""
    assert code(Fold().act("couple", "wedding", "insert", WEDDING, WEDDING_DATA | {"role": "couple"})) == "not_allowed"


def test_before_the_wedding_exists_everything_else_is_wedding_unknown() -> None:
    """An op for a wedding that nobody created is refused, and its number is consumed all the same."""
    fold = Fold()
    decision = fold.act("amara", "tasks", "insert", "rings", {"title": "Rings"})
    assert code(decision) == "wedding_unknown"
    assert views.counters(fold.state)["20270619-amara0000"].last == 1


def test_a_second_creation_exists(fold: Fold) -> None:
    """A wedding is created once."""
    assert code(fold.act("petra", "wedding", "insert", WEDDING, WEDDING_DATA | {"role": "planner"})) == "exists"


def test_strangers_are_not_allowed(fold: Fold) -> None:
    """Who is no member writes nothing."""
    assert code(fold.act("stranger", "tasks", "insert", "rings", {"title": "Rings"})) == "not_allowed"


def test_a_removed_person_is_no_member_any_more(fold: Fold) -> None:
    """Deleting a person from `people` ends the membership at once."""
    decision = fold.act("amara", "people", "delete", "bloom")
    assert decision.permissions_changed
    assert fold.state.acl == decision.rev
    assert "bloom" not in views.members(fold.state)
    assert code(fold.act("bloom", "tasks", "insert", "buckets", {"title": "Buckets"})) == "not_allowed"


# Who may insert what. The columns are couple, planner, vendor, family, friend, guest.
_INSERTS = {
    ("timeline", '{"title": "x"}'): "yes yes yes no no no",
    ("timeline", '{"title": "x", "visibility": "everyone"}'): "yes yes no no no no",
    ("timeline", '{"title": "x", "visibility": "core"}'): "yes yes no no no no",
    ("budget", '{"item": "x"}'): "yes yes no no no no",
    ("vendors", '{"name": "x"}'): "yes yes no no no no",
    ("guests", '{"firstName": "x"}'): "yes yes no yes no no",
    ("tables", '{"name": "x"}'): "yes yes no yes no no",
    ("tasks", '{"title": "x"}'): "yes yes yes no no no",
    ("documents", '{"title": "x", "audience": "family"}'): "yes yes no yes no no",
    ("photos", '{"title": "x", "audience": "everyone"}'): "yes yes yes yes yes yes",
    ("messages", '{"text": "x", "audience": "core"}'): "yes yes no no no no",
    ("inbox", '{"text": "x", "person": "noemi"}'): "yes yes yes yes yes yes",
    ("people", '{"name": "x", "role": "guest"}'): "yes yes no no no no",
    ("permissions", "{}"): "yes yes no no no no",
}


@pytest.mark.parametrize(("collection", "data"), _INSERTS)
def test_d4_each_role_inserts_where_it_reads(fold: Fold, collection: str, data: str) -> None:
    """Couple and planner insert everywhere, others where their role has a list to fill."""
    answers = _INSERTS[collection, data].split()
    for person, expected in zip(("amara", "petra", "bloom", "fatou", "noemi", "urs"), answers, strict=True):
        decision = fold.act(person, collection, "insert", f"by-{person}", msgspec.json.decode(data))
        assert code(decision) == ("applied" if expected == "yes" else "not_allowed"), person


@pytest.mark.parametrize("action", ["update", "delete", "move"])
def test_d4_what_one_may_not_read_is_not_found(fold: Fold, action: str) -> None:
    """A hidden item answers exactly like one that is not there."""
    fold.act("amara", "timeline", "insert", "secret", {"title": "Surprise", "visibility": "core"})
    values: dict[str, dict[str, Any]] = {"update": {"title": "x"}, "delete": {}, "move": {"after": None}}
    data = values[action]
    hidden = fold.act("bloom", "timeline", action, "secret", data)
    missing = fold.act("bloom", "timeline", action, "nothing", data)
    assert code(hidden) == "not_found"
    assert hidden.refusal == missing.refusal
    assert fold.item("timeline", "secret")["title"] == "Surprise"


def test_d4_nobody_moves_an_item_out_of_their_own_sight(fold: Fold) -> None:
    """An update that would give an item an audience to which its author does not belong is refused."""
    fold.act("bloom", "timeline", "insert", "arch", {"title": "Arch"})
    assert code(fold.act("bloom", "timeline", "update", "arch", {"visibility": "core"})) == "not_allowed"
    assert code(fold.act("amara", "timeline", "update", "arch", {"visibility": "core"})) == "applied"


def test_d4_a_payer_reads_the_own_row_and_writes_no_budget(fold: Fold) -> None:
    """A row whose payer is one person can be read by that person, but only the core writes the budget."""
    fold.act("amara", "budget", "insert", "b1", {"item": "Snack", "payer": "fatou"})
    assert fold.state.items["budget"]["b1"].channel == "budget.payer-fatou"
    assert code(fold.act("fatou", "budget", "update", "b1", {"actual": 100})) == "not_allowed"
    assert code(fold.act("noemi", "budget", "update", "b1", {"actual": 100})) == "not_found"


def test_d4_an_inbox_is_written_by_all_and_read_by_one(fold: Fold) -> None:
    """Only the owner of an inbox changes what lies in it, not even the couple can."""
    fold.act("urs", "inbox", "insert", "m1", {"person": "noemi", "text": "Psst"})
    assert code(fold.act("amara", "inbox", "update", "m1", {"read": True})) == "not_found"
    assert code(fold.act("noemi", "inbox", "update", "m1", {"read": True})) == "applied"


def test_d4_services_read_everything_but_inboxes(fold: Fold) -> None:
    """`operator` and `import` write what they may read, which no inbox is."""
    fold.act("amara", "budget", "insert", "b1", {"item": "Snack", "payer": "fatou"})
    fold.act("urs", "inbox", "insert", "m1", {"person": "noemi", "text": "Psst"})
    assert code(fold.act("import", "budget", "update", "b1", {"actual": 100})) == "applied"
    assert code(fold.act("operator", "inbox", "delete", "m1")) == "not_found"


def test_d10_integrators_are_members_that_are_marked(fold: Fold) -> None:
    """Who is marked in `permissions` and a member is an integrator, with the rights of the role."""
    fold.act("amara", "permissions", "insert", "bloom", {"integrator": True})
    fold.act("amara", "permissions", "insert", "stranger", {"integrator": True})
    fold.act("amara", "permissions", "insert", "noemi", {"integrator": False})
    assert views.integrators(fold.state) == {"bloom": rights_of("vendor", "bloom")}


def test_a_claim_about_an_unreadable_channel_tells_nothing(fold: Fold) -> None:
    """A base above a channel's sequence is bad_frame, but only for channels that the author may read."""
    fold.act("bloom", "tasks", "insert", "buckets", {"title": "Buckets"})
    lying = fold.act("bloom", "tasks", "update", "buckets", {"done": True}, base={"tasks.team": 2})
    assert code(lying) == "bad_frame"
    blind = fold.act("bloom", "tasks", "update", "buckets", {"done": True}, base={"tasks.team": 1, "budget.core": 99})
    assert code(blind) == "applied"


def test_the_fold_checks_values_again(fold: Fold) -> None:
    """A bad value that an older entrance let in is refused by the fold, with its code, and consumes its number."""
    assert code(fold.act("amara", "tasks", "insert", "t1", {"title": 3})) == "bad_value"
    mismatch = fold.send("amara", op_of("20270619-zzzz:1", "tasks", "insert", "t1", {"title": "x"}, op_type="photo_upload"))
    assert isinstance(mismatch, Decision)
    assert code(mismatch) == "type_mismatch"
